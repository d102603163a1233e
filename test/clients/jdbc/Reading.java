import java.io.InputStream;
import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.Date;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Time;
import java.sql.Timestamp;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.util.UUID;
import org.postgresql.util.PGobject;

/** The row of all types, by every getter; in each way of execution. */
final class Reading extends Checks {
    interface Getter {
        Object get(ResultSet rs) throws Exception;
    }

    Reading(Connection db, Tap tap) {
        super(db, tap);
    }

    private void read(String name, Object wanted, Getter getter) {
        tap.check("read " + name, () -> {
            try (PreparedStatement st = db.prepareStatement("SELECT * FROM person WHERE email = ?")) {
                for (int i = 0; i < OFTEN; i++) {
                    st.setString(1, "ada@example.org");
                    try (ResultSet rs = st.executeQuery()) {
                        Tap.same(true, rs.next());
                        Tap.same(wanted, getter.get(rs));
                        Tap.same(false, rs.next());
                    }
                }
            }
        });
    }

    private void readObject(String column, Object wanted) {
        read(column + " by getObject", wanted, rs -> rs.getObject(column));
    }

    private void readString(String column, String wanted) {
        read(column + " by getString", wanted, rs -> rs.getString(column));
    }

    @Override
    void run() throws SQLException {
        objects();
        strings();
        typed();
        arrays();
        tap.check("read NULLs", this::nulls);
        checkColumn("read an empty string", java.util.List.of(""), "SELECT note FROM person WHERE email = ?",
                "carl@example.org");
    }

    private void objects() throws SQLException {
        readObject("email", "ada@example.org");
        readObject("note", NOTE);
        readObject("level", -7);
        readObject("visits", 42);
        readObject("points", 9007199254740993L);
        readObject("salary", new BigDecimal("12345.6700"));
        readObject("score", -1.5e-7);
        readObject("ratio", 0.25f);
        readObject("active", true);
        readObject("born", Date.valueOf(BORN));
        read("wakes by getObject", Time.class, rs -> rs.getObject("wakes").getClass());
        readObject("seen", Timestamp.from(SEEN.toInstant()));
        readObject("local", Timestamp.valueOf(LOCAL));
        readObject("ref", REF);
        readObject("doc", object("jsonb", DOC));
        readObject("photo", PHOTO);
        readObject("address", object("inet", "192.168.1.5/24"));
    }

    private void strings() {
        readString("level", "-7");
        readString("points", "9007199254740993");
        readString("salary", "12345.6700");
        readString("active", "t");
        readString("born", "1815-12-10");
        readString("wakes", "06:30:15.25");
        readString("seen", "2024-02-29 10:34:56.789+00");
        readString("local", "1999-12-31 23:59:59.5");
        readString("ref", REF.toString());
        readString("doc", DOC);
        readString("address", "192.168.1.5/24");
        // PgJDBC quotes elements that it has got in binary.
        read("tags by getString", "{a,b c,NULL,}", rs -> rs.getString("tags").replace("\"", ""));
        read("lucky by getString", "{1,-2,NULL}", rs -> rs.getString("lucky").replace("\"", ""));
    }

    private void typed() {
        read("level by getShort", (short) -7, rs -> rs.getShort("level"));
        read("visits by getInt", 42, rs -> rs.getInt("visits"));
        read("visits by getLong", 42L, rs -> rs.getLong("visits"));
        read("visits by getObject(Integer)", 42, rs -> rs.getObject("visits", Integer.class));
        read("points by getLong", 9007199254740993L, rs -> rs.getLong("points"));
        read("salary by getBigDecimal", new BigDecimal("12345.6700"), rs -> rs.getBigDecimal("salary"));
        read("salary by getDouble", 12345.67, rs -> rs.getDouble("salary"));
        read("score by getDouble", -1.5e-7, rs -> rs.getDouble("score"));
        read("ratio by getFloat", 0.25f, rs -> rs.getFloat("ratio"));
        read("active by getBoolean", true, rs -> rs.getBoolean("active"));
        read("born by getDate", Date.valueOf(BORN), rs -> rs.getDate("born"));
        read("born by getObject(LocalDate)", BORN, rs -> rs.getObject("born", LocalDate.class));
        read("wakes by getObject(LocalTime)", WAKES, rs -> rs.getObject("wakes", LocalTime.class));
        read("seen by getTimestamp", Timestamp.from(SEEN.toInstant()), rs -> rs.getTimestamp("seen"));
        read("seen by getObject(OffsetDateTime)", SEEN, rs -> rs.getObject("seen", OffsetDateTime.class));
        read("local by getTimestamp", Timestamp.valueOf(LOCAL), rs -> rs.getTimestamp("local"));
        read("local by getObject(LocalDateTime)", LOCAL, rs -> rs.getObject("local", LocalDateTime.class));
        read("ref by getObject(UUID)", REF, rs -> rs.getObject("ref", UUID.class));
        read("doc by getObject(PGobject)", DOC, rs -> rs.getObject("doc", PGobject.class).getValue());
        read("photo by getBytes", PHOTO, rs -> rs.getBytes("photo"));
        read("photo by getBinaryStream", PHOTO, rs -> {
            try (InputStream stream = rs.getBinaryStream("photo")) {
                return stream.readAllBytes();
            }
        });
        read("note by getCharacterStream", NOTE, rs -> {
            char[] buffer = new char[100];
            int length = rs.getCharacterStream("note").read(buffer);
            return new String(buffer, 0, length);
        });
    }

    private void arrays() {
        read("tags by getArray", new String[] {"a", "b c", null, ""}, rs -> rs.getArray("tags").getArray());
        read("lucky by getArray", new Integer[] {1, -2, null}, rs -> rs.getArray("lucky").getArray());
        read("tags by getObject", new String[] {"a", "b c", null, ""},
                rs -> ((java.sql.Array) rs.getObject("tags")).getArray());
        read("types of arrays", "text int4", rs ->
                rs.getArray("tags").getBaseTypeName() + " " + rs.getArray("lucky").getBaseTypeName());
        read("an array as a ResultSet", "b c", rs -> {
            try (ResultSet elements = rs.getArray("tags").getResultSet()) {
                elements.next();
                elements.next();
                return elements.getObject(2);
            }
        });
    }

    private void nulls() throws Exception {
        try (PreparedStatement st = db.prepareStatement("SELECT * FROM person WHERE email = ?")) {
            for (int turn = 0; turn < OFTEN; turn++) {
                st.setString(1, "bob@example.org");
                try (ResultSet rs = st.executeQuery()) {
                    Tap.same(true, rs.next());
                    for (String column : COLUMNS.replaceFirst("email, name, ", "").split(", *")) {
                        if (column.equals("visits") || column.equals("active")) {
                            continue;
                        }
                        Tap.same(null, rs.getObject(column));
                        Tap.same(true, rs.wasNull());
                    }
                    Tap.same(0, rs.getInt("level"));
                    Tap.same(true, rs.wasNull());
                }
            }
        }
    }
}
