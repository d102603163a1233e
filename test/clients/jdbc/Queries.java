import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.Date;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Timestamp;
import java.time.LocalDate;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.util.Arrays;
import java.util.List;

/** Conditions, order, groups and joins; with parameters of all types that users give. */
final class Queries extends Checks {
    Queries(Connection db, Tap tap) {
        super(db, tap);
    }

    @Override
    void run() throws Exception {
        texts();
        numbers();
        times();
        others();
        order();
        groups();
    }

    private void texts() {
        checkNames("=", "Ada Lovelace", "email = ?", "ada@example.org");
        checkNames("<>", "Bob,Carl,Dora,Émile", "email <> ?", "ada@example.org");
        checkNames("IN", "Bob,Dora", "email IN (?, ?, ?)", "dora@example.org", "bob@example.org", "x");
        tap.check("= ANY (array)", () -> {
            for (String type : new String[] {"text", "varchar"}) {
                Tap.same(List.of("Bob", "Dora"), column("SELECT name FROM person WHERE email = ANY (?) ORDER BY id",
                        db.createArrayOf(type, new String[] {"dora@example.org", "bob@example.org", null})));
            }
        });
        checkNames(">= and < of text", "Bob,Carl", "name >= ? AND name < ?", "B", "D");
        checkNames("LIKE", "Ada Lovelace", "name LIKE ?", "Ada%");
        checkNames("LIKE ESCAPE, by JDBC's escape", "", "name LIKE ? {escape '!'}", "Ada!%");
        checkNames("ILIKE", "Dora", "name ILIKE ?", "%dOR%");
        checkNames("position, by JDBC's escape", "Ada Lovelace", "{fn locate(?, name)} > 0", "Love");
        checkNames("lower(), upper()", "Dora", "upper(name) = ? AND {fn lcase(name)} = ?", "DORA", "dora");
        checkNames("IS NULL", "Bob,Carl,Dora,Émile", "salary IS NULL OR level = ?", 5);
        checkNames("a concatenation", "Dora", "name || ? = ?", "!", "Dora!");
        checkNames("text of a wrong case", "", "email = ?", "ADA@example.org");
        checkColumn("coalesce with a parameter", List.of(NOTE, "none", "", "none", "first"),
                "SELECT coalesce(note, ?) FROM person ORDER BY id", "none");
        checkColumn("CASE with a parameter", List.of("x", "Bob"),
                "SELECT CASE WHEN email = ? THEN ? ELSE name END FROM person ORDER BY id LIMIT 2", "ada@example.org", "x");
    }

    private void numbers() {
        checkNames("int = int", "Dora", "visits = ?", 10);
        checkNames("int = long", "Dora", "visits = ?", 10L);
        checkNames("int = short", "Dora", "visits = ?", (short) 10);
        checkNames("int = decimal", "Dora", "visits = ?", new BigDecimal("10.0"));
        checkNames("int > double", "Ada Lovelace,Émile", "visits > ?", 10.5);
        checkNames("smallint = int", "Dora,Émile", "level = ?", 5);
        checkNames("smallint IN (int)", "Ada Lovelace,Dora,Émile", "level IN (?, ?)", 5, -7);
        checkNames("bigint = long", "Ada Lovelace", "points = ?", 9007199254740993L);
        checkNames("bigint > int", "Ada Lovelace", "points > ?", 5);
        checkNames("numeric = decimal", "Ada Lovelace", "salary = ?", new BigDecimal("12345.67"));
        checkNames("numeric = int", "Dora", "salary = ?", 100);
        checkNames("numeric = double", "Émile", "salary = ?", 200.5);
        checkNames("double = double", "Ada Lovelace", "score = ?", -1.5e-7);
        checkNames("double < int", "Ada Lovelace", "score < ?", 0);
        checkNames("real = double", "Ada Lovelace", "ratio = ?", 0.25);
        checkNames("BETWEEN", "Dora,Émile", "visits BETWEEN ? AND ?", 7, 20);
        checkColumn("arithmetic", List.of(85, 1, 21), "SELECT visits * 2 + ? FROM person WHERE visits NOT IN (-1, 20)"
                + " ORDER BY id", 1);
        checkColumn("a number as a negative number", List.of(-10), "SELECT -visits FROM person WHERE name = ?", "Dora");
        tap.check("= ANY (int array)", () -> {
            for (String type : new String[] {"int4", "int8"}) {
                Object[] numbers = type.equals("int4") ? new Integer[] {10, 42} : new Long[] {10L, 42L};
                Tap.same(List.of("Ada Lovelace", "Dora"), column(
                        "SELECT name FROM person WHERE visits = ANY (?) ORDER BY id", db.createArrayOf(type, numbers)));
            }
        });
    }

    private void times() {
        checkNames("date = LocalDate", "Ada Lovelace", "born = ?", BORN);
        checkNames("date = Date", "Dora", "born = ?", Date.valueOf("1980-05-05"));
        checkNames("a range of dates", "Dora,Émile", "born >= ? AND born < ?", LocalDate.of(1970, 1, 1),
                LocalDate.of(2000, 1, 1));
        checkNames("date < Timestamp", "Dora", "born > ? AND born < ?", LocalDate.of(1970, 1, 1),
                Timestamp.valueOf("1985-01-01 00:00:00"));
        checkNames("timestamptz = OffsetDateTime", "Ada Lovelace", "seen = ?", SEEN);
        checkNames("timestamptz = Timestamp", "Ada Lovelace", "seen = ?", Timestamp.from(SEEN.toInstant()));
        checkNames("timestamptz in a range", "Ada Lovelace", "seen BETWEEN ? AND ?",
                OffsetDateTime.parse("2024-02-29T12:00:00+02:00"), OffsetDateTime.parse("2024-02-29T23:00:00-08:00"));
        checkNames("timestamp = LocalDateTime", "Ada Lovelace", "local = ?", LOCAL);
        checkNames("time > LocalTime", "Ada Lovelace", "wakes > ?", LocalTime.of(6, 30));
        checkColumn("a day later", List.of(Date.valueOf("1815-12-11")), "SELECT born + ? FROM person WHERE visits = 42", 1);
        checkColumn("extract", List.of(new BigDecimal("1815")),
                "SELECT extract(year FROM born) FROM person WHERE visits = ?", 42);
        checkColumn("year, by JDBC's escape", List.of("1815"),
                "SELECT {fn year(born)}::text FROM person WHERE visits = ?", 42);
        checkNames("date literal, by JDBC's escape", "Ada Lovelace", "born = {d '1815-12-10'} AND active = ?", true);
    }

    private void others() throws SQLException {
        checkNames("bool = parameter", "Carl,Émile", "active = ?", false);
        checkNames("a bool column as condition", "Dora", "active AND NOT (visits <> ?)", 10);
        checkNames("uuid = UUID", "Ada Lovelace", "ref = ?", REF);
        checkNames("uuid = cast text", "Ada Lovelace", "ref = ?::uuid", REF.toString());
        checkNames("bytea = bytes", "Ada Lovelace", "photo = ?", photo());
        checkColumn("length of bytea", List.of(5), "SELECT length(photo) FROM person WHERE visits = ?", 42);
        checkNames("inet << parameter", "Ada Lovelace", "address << ?::inet", "192.168.0.0/16");
        checkNames("jsonb ->>", "Ada Lovelace", "doc ->> 'c' = ?", "☃");
        checkNames("jsonb -> ->> int", "Ada Lovelace", "(doc -> 'a' ->> 1)::int = ?", 2);
        checkNames("jsonb @>", "Ada Lovelace", "doc @> ?::jsonb", "{\"a\": [2]}");
        checkNames("jsonb has a key", "Ada Lovelace", "doc ?? ?", "a");
        tap.check("arrays: @>, && and ANY", () -> {
            Object words = db.createArrayOf("text", new String[] {"a"});
            Tap.same(List.of("Ada Lovelace"), column("SELECT name FROM person WHERE tags @> ? AND tags && ?", words, words));
            Tap.same(List.of("Ada Lovelace"), column("SELECT name FROM person WHERE ? = ANY (tags) AND ? = ANY (lucky)", "b c", -2));
        });
        checkColumn("an element, unnest", Arrays.asList("b c-2", "b c1", "b c"),
                "SELECT concat(tags[2], x) FROM person, unnest(lucky) x WHERE visits = ? ORDER BY x", 42);
        checkNames("and, or, not", "Ada Lovelace,Carl,Dora",
                "(visits > ? AND active) OR (NOT active AND visits < ?)", 5, 5);
        checkNames("IS NOT DISTINCT FROM", "Dora,Émile", "level IS NOT DISTINCT FROM ?", 5);
        checkNames("row comparison", "Dora", "(level, visits) = (?, ?)", 5, 10);
    }

    private void order() {
        checkColumn("ORDER BY, LIMIT, OFFSET", List.of("Bob", "Carl"),
                "SELECT name FROM person ORDER BY name LIMIT ? OFFSET ?", 2, 1);
        checkColumn("ORDER BY DESC NULLS LAST", List.of("Ada Lovelace", "Émile", "Dora", "Bob", "Carl"),
                "SELECT name FROM person ORDER BY salary DESC NULLS LAST, name");
        checkColumn("DISTINCT", List.of(-1, 0, 10, 20, 42), "SELECT DISTINCT visits FROM person ORDER BY visits");
        checkColumn("DISTINCT ON", List.of("Carl", "Ada Lovelace"),
                "SELECT DISTINCT ON (active) name FROM person ORDER BY active, name");
        checkColumn("UNION", List.of("Bob", "Dora", "Engine", "Notes"),
                "SELECT name FROM person WHERE name IN (?, ?) UNION SELECT title FROM purchase ORDER BY 1", "Bob", "Dora");
        checkColumn("WITH", List.of(62L), "WITH busy AS (SELECT visits AS v FROM person WHERE visits > ?)"
                + " SELECT sum(v) FROM busy WHERE v <> 10", 0);
        checkColumn("window function", List.of(1L, 2L, 3L),
                "SELECT rank() OVER (ORDER BY visits DESC) FROM person WHERE visits >= ? ORDER BY 1", 10);
        checkColumn("subquery, EXISTS", List.of("Ada Lovelace"),
                "SELECT name FROM person p WHERE EXISTS (SELECT 1 FROM purchase WHERE person_id = p.id AND amount > ?)", 100);
        checkColumn("IN (SELECT)", List.of("Ada Lovelace"),
                "SELECT name FROM person WHERE email IN (SELECT email FROM person WHERE visits > ?) AND tags IS NOT NULL", 20);
    }

    private void groups() {
        checkColumn("count, sum, avg, min, max", List.of(5L), "SELECT count(*) FROM person");
        tap.check("types of aggregates", () -> {
            try (Statement st = db.createStatement();
                    ResultSet rs = st.executeQuery("SELECT count(note), sum(visits), avg(visits), min(name), max(born),"
                            + " sum(salary), avg(score), max(seen), min(level), bool_and(active) FROM person")) {
                rs.next();
                Tap.same(3L, rs.getObject(1));
                Tap.same(71L, rs.getObject(2));
                Tap.same(new BigDecimal("14.2000000000000000"), rs.getObject(3));
                Tap.same("Ada Lovelace", rs.getObject(4));
                Tap.same(Date.valueOf("1990-06-06"), rs.getObject(5));
                Tap.same(new BigDecimal("12646.1700"), rs.getObject(6));
                Tap.same(-1.5e-7, rs.getObject(7));
                Tap.same(Timestamp.from(SEEN.toInstant()), rs.getObject(8));
                Tap.same(-7, rs.getObject(9));
                Tap.same(false, rs.getObject(10));
            }
        });
        checkColumn("GROUP BY, HAVING", List.of(5), "SELECT level FROM person WHERE level IS NOT NULL GROUP BY level"
                + " HAVING count(*) >= ?", 2);
        checkColumn("count(DISTINCT)", List.of(2L), "SELECT count(DISTINCT level) FROM person");
        checkColumn("string_agg", List.of("Ada Lovelace;Bob"),
                "SELECT string_agg(name, ? ORDER BY name) FROM person WHERE name < ?", ";", "C");
        checkColumn("join", List.of("Ada Lovelace: Engine", "Ada Lovelace: Notes"),
                "SELECT p.name || ': ' || b.title FROM person p JOIN purchase b ON b.person_id = p.id WHERE p.email = ?"
                + " ORDER BY b.amount DESC", "ada@example.org");
        checkColumn("LEFT JOIN, GROUP BY", List.of(new BigDecimal("1209.90"), new BigDecimal("0")),
                "SELECT coalesce(sum(b.amount), 0) FROM person p LEFT JOIN purchase b ON b.person_id = p.id"
                + " WHERE p.visits IN (?, 0) GROUP BY p.name ORDER BY p.name", 42);
        checkColumn("self join on equal values", List.of("Dora/Émile"),
                "SELECT a.name || '/' || b.name FROM person a JOIN person b ON a.level = b.level AND a.name < b.name COLLATE \"C\"");
        tap.check("one statement, parameters of changing types", () -> {
            try (PreparedStatement st = db.prepareStatement("SELECT name FROM person WHERE visits = ?")) {
                Object[] values = {10, 10L, new BigDecimal(10), (short) 10, 10.0, 10, 10L, 10, 10L, 10, 10};
                for (Object value : values) {
                    st.setObject(1, value);
                    try (ResultSet rs = st.executeQuery()) {
                        Tap.same(true, rs.next());
                        Tap.same("Dora", rs.getObject(1));
                    }
                }
            }
        });
    }
}
