#!/bin/bash
#
# demo.sh: what cellenc does, on a throw-away server ("sudo make demo").
#
# Runs as an unprivileged user, with cellenc installed.  Loads ROWS customers
# into a table with encrypted columns, shows who sees what, and rotates the key
# while an application reads and writes.  Ends with a non-zero exit code when
# anything is not as it should be.

set -euo pipefail
ROWS=${ROWS:-1000000}
BINDIR=${BINDIR:-$(pg_config --bindir)}
# Statements a second of the application, and the latency that counts as
# blocked, in seconds.
RATE=1000
BLOCKED=1
# Longest time that the rotation may take, in seconds.
LIMIT=600

# Not in the current folder: the path of a socket has to be short.
dir=$(mktemp -d "${TMPDIR:-/var/tmp}/cellenc-demo.XXXXXX")
data=$dir/data
bench_pid=
failures=0

clean_up() {
    [ -z "$bench_pid" ] || kill "$bench_pid" 2>/dev/null || true
    [ ! -f "$data/postmaster.pid" ] || "$BINDIR/pg_ctl" -D "$data" -m immediate -s stop || true
    rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

heading() { printf '\n\n%s\n%s\n' "$*" "${*//?/-}"; }
say() { printf '%s\n' "$*"; }

# expect WHAT ACTUAL WANTED
expect() {
    if [ "$2" = "$3" ]; then
        printf '   ok   %s\n' "$1"
    else
        printf 'FAILED  %s: %s, expected %s\n' "$1" "$2" "$3"
        failures=$((failures + 1))
    fi
}

# The bare result of a query, of the superuser or of a role.
sql() { psql -XAtq -v ON_ERROR_STOP=1 -c "$1"; }
sql_as() { psql -XAtq -v ON_ERROR_STOP=1 -U "$1" -c "$2"; }

# show ROLE QUERY: the query, then its result or error, as psql prints them.
show() {
    printf '\n'
    printf '%s\n' "$2" | sed "s/^/    $1=> /"
    show_result "$@"
}
show_result() {
    psql -Xq -P pager=off -P footer=off -U "$1" -c "$2" 2>&1 | sed 's/^/    /'
}

start_server() {
    # Sockets of this folder alone: no port is taken, nobody else can connect.
    "$BINDIR/initdb" -D "$data" -U postgres -A trust -E UTF8 --locale=C >"$dir/initdb.log" 2>&1 || {
        cat "$dir/initdb.log"
        return 1
    }
    (umask 077 && openssl rand -hex 32 >"$dir/master.key")
    cat >>"$data/postgresql.conf" <<CONF
shared_preload_libraries = 'cellenc'
cellenc.master_key_file = '$dir/master.key'
listen_addresses = ''
unix_socket_directories = '$dir'
shared_buffers = '512MB'
max_wal_size = '4GB'
CONF
    "$BINDIR/pg_ctl" -D "$data" -l "$dir/server.log" -s -w start || {
        cat "$dir/server.log"
        return 1
    }
    export PGHOST=$dir PGPORT=5432 PGUSER=postgres PGDATABASE=postgres PGCLIENTENCODING=UTF8
    PATH=$BINDIR:$PATH
}

create_table() {
    psql -Xq -v ON_ERROR_STOP=1 <<'SQL'
CREATE EXTENSION cellenc;
SELECT cellenc_create_key('pii') \g /dev/null

CREATE TABLE customers (
    id          bigint PRIMARY KEY,
    full_name   enctext('pii'),
    email       enctext('pii'),
    national_id enctext('pii'),
    salary      encnumeric('pii'),
    birth_date  encdate('pii'),
    notes       encjsonb('pii'),
    changes     integer NOT NULL DEFAULT 0
);

CREATE ROLE app LOGIN;
GRANT SELECT, INSERT, UPDATE ON customers TO app;
SELECT cellenc_grant_key('pii', 'app') \g /dev/null

CREATE ROLE clerk LOGIN;
GRANT SELECT ON customers TO clerk;
SQL
}

load_customers() {
    psql -Xq -v ON_ERROR_STOP=1 -v rows="$ROWS" -U app <<'SQL'
INSERT INTO customers (id, full_name, email, national_id, salary, birth_date, notes)
SELECT id,
       (ARRAY[
         ['Zoë', 'José', 'Łukasz', 'Søren', 'Anna', 'Nguyễn', 'Şebnem', 'Håkon'],
         ['Ольга', 'Владимир', 'Наталья', 'Дмитрий', 'Оксана', 'Ђорђе', 'Петър', 'Айгүл'],
         ['Ελένη', 'Γιώργος', 'Κατερίνα', 'Νίκος', 'Σοφία', 'Δημήτρης', 'Άννα', 'Πέτρος'],
         ['王', '李', '张', '刘', '陳', '楊', '黃', '趙'],
         ['محمد', 'فاطمة', 'علي', 'عائشة', 'حسن', 'زينب', 'عمر', 'مريم'],
         ['आरव', 'प्रिया', 'विवान', 'अनन्या', 'अर्जुन', 'दिया', 'कबीर', 'मीरा'],
         ['さくら', '太郎', '花子', '翔太', '美咲', '健一', '陽菜', '大輔'],
         ['민준', '서연', '지훈', '하은', '도윤', '지우', '예준', '수아']
       ])[1 + id % 8][1 + id / 8 % 8] || ' ' ||
       (ARRAY[
         ['Müller', 'García', 'Wójcik', 'Østergård', 'O''Brien', 'Văn An', 'Yıldız', 'Bjørnson'],
         ['Иванова', 'Петров', 'Шевченко', 'Кузнецов', 'Коваль', 'Јовановић', 'Георгиев', 'Сәрсенова'],
         ['Παπαδοπούλου', 'Νικολάου', 'Γεωργίου', 'Οικονόμου', 'Βλάχου', 'Αντωνίου', 'Μακρή', 'Ιωάννου'],
         ['伟', '秀英', '敏', '静', '麗華', '志明', '淑芬', '俊傑'],
         ['الأحمد', 'حسين', 'المصري', 'الخطيب', 'إبراهيم', 'منصور', 'القاسم', 'السيد'],
         ['शर्मा', 'वर्मा', 'पटेल', 'सिंह', 'गुप्ता', 'रेड्डी', 'खान', 'जोशी'],
         ['佐藤', '鈴木', '高橋', '田中', '渡辺', '伊藤', '山本', '中村'],
         ['김', '이', '박', '최', '정', '강', '조', '윤']
       ])[1 + id % 8][1 + id / 64 % 8],
       CASE id WHEN 4242 THEN 'plaintext-marker@example.org'
               ELSE 'customer.' || id || '@example.org' END,
       to_char(id * 7919 % 10000000000, 'FM000-00-00000'),
       (20000 + id * 37 % 90000 + (id % 100) / 100.0)::numeric(10,2),
       date '1935-01-01' + (id * 13 % 26000)::integer,
       jsonb_build_object('contract', 'C-' || id * 31 % 1000003, 'vip', id % 50 = 0,
                          'mood', (ARRAY['🙂', '😐', '🚀', '☕'])[1 + id % 4])
FROM generate_series(1::bigint, :rows) AS id;
SQL
    psql -Xq -c 'VACUUM (ANALYZE) customers' -c 'CHECKPOINT'
}

# How many files below the data directory contain $1.
files_with() { { grep -rlaF -- "$1" "$data/base" "$data/pg_wal" || true; } | wc -l; }

# Versions of the stored values.
set_usage_query() {
    if [ -n "$(sql "SELECT to_regprocedure('cellenc_usage(text)')")" ]; then
        USAGE="SELECT relation, attname, version, n_values
FROM cellenc_usage('pii') ORDER BY attname::text, version"
    else
        USAGE="SELECT attname, version, count(*) AS n_values
FROM customers, LATERAL (VALUES
  ('full_name',   cellenc_key_version(full_name)),
  ('email',       cellenc_key_version(email)),
  ('national_id', cellenc_key_version(national_id)),
  ('salary',      cellenc_key_version(salary)),
  ('birth_date',  cellenc_key_version(birth_date)),
  ('notes',       cellenc_key_version(notes))) AS v (attname, version)
GROUP BY 1, 2 ORDER BY 1, 2"
    fi
}

# The stored bytes of one value, and that they are what the table's file holds.
show_stored_bytes() {
    local hex file block found

    # What is stored, as the server itself gives it away: sealed.
    hex=$(sql "SET cellenc.output = 'sealed'; SELECT email FROM customers WHERE id = 4242" |
        sed 's/^cellenc:1://' | base64 -d 2>/dev/null | od -An -v -tx1 | tr -d ' \n')
    file=$(sql "SELECT pg_relation_filepath('customers')")
    block=$(sql "SELECT (ctid::text::point)[0] FROM customers WHERE id = 4242")
    found=$(perl -e '
        my ($file, $block, $hex) = @ARGV;
        open(my $handle, "<:raw", $file) or die "$file: $!";
        seek($handle, $block * 8192, 0);
        read($handle, my $page, 8192);
        print index($page, pack("H*", $hex));' "$data/$file" "$block" "$hex")
    expect "the value's bytes are found in the table's file" "$([ "$found" -gt 0 ] && echo yes)" yes
    say
    say "    file $file, from byte $((block * 8192 + found)), $((${#hex} / 2)) bytes for 28 of text:"
    od -A d -t x1z -v -j $((block * 8192 + found)) -N $((${#hex} / 2)) "$data/$file" | sed 's/^/    /'
    say "    1 byte format, 4 version, 24 nonce, 28 ciphertext, 16 tag"
}

digest() {
    sql_as app "SELECT count(*) || ' rows ' || md5(string_agg(d, '')) FROM (
        SELECT id / 1000, md5(string_agg(concat_ws('|', id, full_name::text, email::text,
                   national_id::text, birth_date::date, notes::jsonb), '' ORDER BY id)) AS d
        FROM customers GROUP BY 1 ORDER BY 1) AS parts"
}

start_application() {
    cat >"$dir/read.sql" <<SQL
\\set id random(1, $ROWS)
SELECT full_name, email, salary, notes FROM customers WHERE id = :id;
SQL
    cat >"$dir/write.sql" <<SQL
\\set id random(1, $ROWS)
\\set pay random(20000, 90000)
UPDATE customers SET salary = :pay, changes = changes + 1 WHERE id = :id;
SQL
    (cd "$dir" && exec pgbench -n -U app -c 8 -j 1 -R $RATE -T $((LIMIT + 60)) -M prepared \
        -f read.sql@4 -f write.sql@1 -l --log-prefix=statements) >"$dir/pgbench.log" 2>&1 &
    bench_pid=$!
}

# pgbench ends on an alarm as it does when its time is over: with its summary.
stop_application() {
    kill -ALRM "$bench_pid"
    wait "$bench_pid" || true
    bench_pid=
}

# Shows the job until it is over.
follow_job() {
    local job=$1 start=$SECONDS shown=-9 state line

    while :; do
        IFS='|' read -r state line < <(sql "
            SELECT state, format('%3s %%  %8s values/s  eta %-8s  %s',
                       coalesce(round(percent::numeric)::text, '-'),
                       coalesce(round(values_per_second::numeric)::text, '-'),
                       coalesce(left(eta::text, 8), '-'),
                       coalesce(waiting_for, relation::text, state))
            FROM cellenc.jobs WHERE job = $job")
        if [ -t 1 ]; then
            printf '\r    %4d s  %-66.66s' $((SECONDS - start)) "$line"
        elif [ $((SECONDS - shown)) -ge 3 ] || [ "$state" = 'done' ]; then
            shown=$SECONDS
            printf '    %4d s  %s\n' $((SECONDS - start)) "$line"
        fi
        case $state in
            'done' | failed | cancelled | '') break ;;
        esac
        if [ $((SECONDS - start)) -gt $LIMIT ]; then
            state="unfinished after $LIMIT s"
            break
        fi
        sleep 0.5
    done
    [ ! -t 1 ] || printf '\n'
    JOB_STATE=$state
}

# latencies FROM TO: of the statements that ended between two epochs.
latencies() {
    cat "$dir"/statements.* | awk -v from="$1" -v to="$2" '
        $3 ~ /^[0-9]+$/ && $5 >= from && $5 < to { print $3 - $7 }' | sort -n | awk '
        { value[NR] = $1 / 1000 }
        END {
            if (NR == 0) { print "no statements"; exit }
            printf "%7d statements, ms: median %.2f, 99 %% below %.2f, slowest %.2f\n",
                NR, value[int((NR + 1) / 2)], value[int(NR * 0.99 + 0.999999)], value[NR]
        }'
}

#
# The story.
#
heading "A throw-away server"
start_server
say "$(sql 'SELECT version()' | cut -d, -f1), cellenc $(sed -n "s/^default_version = '\(.*\)'/\1/p" cellenc.control)"
say "shared_preload_libraries = 'cellenc'; one master key in a file that only the server's user can read"

heading "1. A key, and a table with encrypted columns"
create_table
show postgres "SELECT key, version, state, created_at, master_keys FROM cellenc.key_versions"
show postgres "SELECT attname, type, key, search FROM cellenc.columns"

heading "2. $ROWS customers"
begin=$SECONDS
load_customers
say "loaded in $((SECONDS - begin)) s: 6 encrypted values each, $(sql "SELECT pg_size_pretty(pg_table_size('customers'))") on disk"
expect "rows" "$(sql 'SELECT count(*) FROM customers')" "$ROWS"

heading "3. What the application sees (role app, which was granted the key)"
show app "SELECT id, full_name, email, national_id, salary, birth_date FROM customers WHERE id BETWEEN 4241 AND 4248 ORDER BY id"
show app "SELECT notes->>'mood' AS mood, count(*), round(avg(salary), 2) AS salary
FROM customers WHERE birth_date < '1940-01-01' GROUP BY 1 ORDER BY 2 DESC"

heading "4. What the disk sees"
expect "files of the database and its WAL that contain 'plaintext-marker'" "$(files_with plaintext-marker)" 0
show_stored_bytes
say
say "Control: the same search after copying that row to a table without encryption."
sql "CREATE TABLE plain AS SELECT id, email::text FROM customers WHERE id = 4242; CHECKPOINT"
found=$(files_with plaintext-marker)
say "    files that contain 'plaintext-marker': $found"
expect "the search finds plaintext where there is some" "$([ "$found" -gt 0 ] && echo yes)" yes
sql 'DROP TABLE plain'

heading "5. Who may not read (role clerk: SELECT on the table, but no key)"
show clerk "SELECT id, changes FROM customers WHERE id = 4242"
show clerk "SELECT email FROM customers WHERE id = 4242" || true
denied=$(psql -XAtq -U clerk -v VERBOSITY=sqlstate -c 'SELECT email FROM customers WHERE id = 4242' 2>&1 || true)
expect "SQLSTATE" "${denied##* }" 42501

heading "6. A new key version, while the application works"
before=$(digest)
set_usage_query
show postgres "$USAGE"
say
say "Application: 8 sessions, $RATE statements a second, 4 reads by id to 1 update."
start_application
sleep 6
rotation_start=$(date +%s)
printf '\n    postgres=> %s\n' "SELECT cellenc_rotate_key('pii')"
version=$(sql "SET client_min_messages = warning; SELECT cellenc_rotate_key('pii')")
job=$(sql 'SELECT max(job) FROM cellenc.jobs')
say "    version $version is current; job $job re-encrypts what is under older versions"
say
follow_job "$job"
rotation_end=$(date +%s)
sleep 3
stop_application
say
expect "state of the job" "$JOB_STATE" 'done'

heading "7. What happened"
say "The first query of step 6 again:"
show_result postgres "$USAGE"
show postgres "SELECT key, version, state, created_at FROM cellenc.key_versions ORDER BY version"
show postgres "SELECT job, kind, key, version, state, values_done, bad_values, finished_at - started_at AS took FROM cellenc.jobs"
say
say "    before the rotation: $(latencies 0 "$rotation_start")"
say "    during it:           $(latencies "$rotation_start" "$rotation_end")"
say

statements=$(cat "$dir"/statements.* | wc -l)
updates=$(awk '$4 == 1 && $3 ~ /^[0-9]+$/' "$dir"/statements.* | wc -l)
failed=$(awk '$3 == "failed"' "$dir"/statements.* | wc -l)
aborted=$(grep -c 'aborted' "$dir/pgbench.log" || true)
blocked=$(awk -v limit="$BLOCKED" '$3 ~ /^[0-9]+$/ && $3 - $7 > limit * 1000000' "$dir"/statements.* | wc -l)
if [ "$aborted" -gt 0 ]; then
    grep -m 5 'error' "$dir/pgbench.log" | sed 's/^/    /'
fi
say "    $statements statements; failed: $((failed + aborted)); blocked for more than $BLOCKED s: $blocked"
say
expect "failed statements" "$((failed + aborted))" 0
expect "blocked statements" "$blocked" 0
expect "pgbench ended with its summary" "$(grep -c '^tps = ' "$dir/pgbench.log")" 1
expect "updates in the table, of those that pgbench made" "$(sql 'SELECT sum(changes) FROM customers')" "$updates"
expect "values left under version 1" \
    "$(sql "SELECT coalesce(sum(n_values), 0) FROM ($USAGE) u WHERE version < $version")" 0
expect "values under version $version" \
    "$(sql "SELECT coalesce(sum(n_values), 0) FROM ($USAGE) u WHERE version = $version")" "$((ROWS * 6))"
expect "every name, address, id, date and note reads as before" "$(digest)" "$before"

printf '\n'
if [ "$failures" -gt 0 ]; then
    say "The demo found $failures thing(s) that are not as they should be."
    say "End of the server's log:"
    tail -n 30 "$dir/server.log"
    exit 1
fi
say "$((ROWS * 6)) values moved from version 1 to version $version in $((rotation_end - rotation_start)) s; failed or blocked statements: 0"
