import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.StringReader;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.Statement;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;

/** CopyManager, cursors of the driver and in SQL, deletion. */
final class CopyAndCursors extends Checks {
    private final CopyManager copy;

    CopyAndCursors(Connection db, Tap tap) throws Exception {
        super(db, tap);
        copy = db.unwrap(PGConnection.class).getCopyAPI();
    }

    @Override
    void run() {
        tap.check("COPY out, text", () -> {
            StringWriter out = new StringWriter();
            copy.copyOut("COPY (SELECT name, visits, active, tags FROM person WHERE visits IN (42, 20) ORDER BY id)"
                    + " TO STDOUT", out);
            Tap.same("Ada Lovelace\t42\tt\t{a,\"b c\",NULL,\"\"}\nÉmile\t20\tf\t\\N\n", out.toString());
        });
        tap.check("COPY in, CSV", () -> {
            Tap.same(2L, copy.copyIn("COPY person (email, name, level, salary, active, born, photo) FROM STDIN (FORMAT csv)",
                    new StringReader("hans@example.org,\"Hans, jr.\",-3,2.50,f,2020-02-20,\\x00ff\n"
                            + "ida@example.org,Ida,,,t,,\n")));
            Tap.same("(\"Hans, jr.\",-3,2.50,f,2020-02-20,\"\\\\x00ff\")", one(
                    "SELECT (name, level, salary, active, born, photo)::text FROM person WHERE email = ?", "hans@example.org"));
        });
        tap.check("COPY out and in, binary", () -> {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            Tap.same(7L, copy.copyOut("COPY person (" + COLUMNS + ") TO STDOUT (FORMAT binary)", out));
            try (Statement st = db.createStatement()) {
                st.execute("CREATE TEMP TABLE copied (LIKE person INCLUDING DEFAULTS)");
                st.execute("ALTER TABLE copied ALTER COLUMN id DROP NOT NULL");
            }
            copy.copyIn("COPY copied (" + COLUMNS + ") FROM STDIN (FORMAT binary)",
                    new ByteArrayInputStream(out.toByteArray()));
            Tap.same(0L, one("SELECT count(*) FROM (SELECT " + COLUMNS + " FROM person EXCEPT SELECT "
                    + COLUMNS + " FROM copied) x"));
        });
        tap.check("COPY of text from another program, binary", this::binaryFromElsewhere);
        checkTransaction("fetch size (cursor of the driver)", this::fetchSize);
        checkTransaction("DECLARE and FETCH", () -> {
            try (Statement st = db.createStatement()) {
                st.execute("DECLARE c CURSOR FOR SELECT visits, name, active FROM person WHERE visits > 5 ORDER BY visits");
                try (ResultSet rs = st.executeQuery("FETCH 2 FROM c")) {
                    rs.next();
                    Tap.same(11, rs.getObject(1));
                    rs.next();
                    Tap.same(20, rs.getObject(1));
                    Tap.same("Émile", rs.getObject(2));
                    Tap.same(false, rs.getObject(3));
                }
            }
        });
        tap.check("delete", () -> {
            Tap.same(2, update("DELETE FROM person WHERE email IN (?, ?)", "hans@example.org", "ida@example.org"));
            Tap.same(2, update("DELETE FROM purchase USING person p WHERE p.id = person_id AND p.name = ?", "Ada Lovelace"));
            try (PreparedStatement st = db.prepareStatement("DELETE FROM person WHERE name = ? RETURNING name, lucky")) {
                st.setString(1, "Ada Lovelace");
                try (ResultSet rs = st.executeQuery()) {
                    Tap.same(true, rs.next());
                    Tap.same("Ada Lovelace", rs.getObject(1));
                    Tap.same(new Integer[] {1, -2, null}, rs.getArray(2).getArray());
                }
            }
            Tap.same(4, update("DELETE FROM person"));
        });
    }

    /** The documented format: header, one row, trailer. */
    private void binaryFromElsewhere() throws Exception {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        java.io.DataOutputStream out = new java.io.DataOutputStream(bytes);
        out.write("PGCOPY\n\377\r\n\0".getBytes(StandardCharsets.ISO_8859_1));
        out.writeInt(0);
        out.writeInt(0);
        out.writeShort(4);
        for (String text : new String[] {"bin@example.org", "Bin ☃"}) {
            byte[] encoded = text.getBytes(StandardCharsets.UTF_8);
            out.writeInt(encoded.length);
            out.write(encoded);
        }
        out.writeInt(4);
        out.writeInt(77);
        // int4[]: dimensions, has NULLs, element type, length, lower bound, elements
        out.writeInt(28);
        for (int word : new int[] {1, 0, 23, 1, 1, 4, 5}) {
            out.writeInt(word);
        }
        out.writeShort(-1);
        copy.copyIn("COPY person (email, name, visits, lucky) FROM STDIN (FORMAT binary)",
                new ByteArrayInputStream(bytes.toByteArray()));
        Tap.same("(\"Bin ☃\",77,{5})", one("SELECT (name, visits, lucky)::text FROM person WHERE email = ?", "bin@example.org"));
        Tap.same(1, update("DELETE FROM person WHERE email = ?", "bin@example.org"));
    }

    private void fetchSize() throws Exception {
        try (PreparedStatement st = db.prepareStatement("SELECT visits, name, salary FROM person WHERE visits >= ? ORDER BY visits")) {
            st.setFetchSize(2);
            for (int turn = 0; turn < OFTEN; turn++) {
                st.setInt(1, -1);
                int rows = 0;
                int last = -2;
                try (ResultSet rs = st.executeQuery()) {
                    while (rs.next()) {
                        Tap.same(Integer.class, rs.getObject(1).getClass());
                        Tap.same(true, rs.getInt(1) >= last);
                        last = rs.getInt(1);
                        rows++;
                    }
                }
                Tap.same(7, rows);
                Tap.same(42, last);
            }
        }
    }
}
