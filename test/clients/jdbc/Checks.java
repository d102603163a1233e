import java.io.ByteArrayInputStream;
import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.Date;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Time;
import java.sql.Timestamp;
import java.sql.Types;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;
import org.postgresql.util.PGobject;

/** What the groups of checks share. */
abstract class Checks {
    /** More executions than PgJDBC and the server need to change their way. */
    static final int OFTEN = 12;

    static final String COLUMNS = "email, name, note, level, visits, points, salary, score, ratio, active,"
            + " born, wakes, seen, local, ref, doc, photo, address, tags, lucky";
    static final String INSERT = "INSERT INTO person (" + COLUMNS + ") VALUES (" + "?, ".repeat(19) + "?)";
    static final UUID REF = UUID.fromString("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
    static final byte[] PHOTO = {0, -1, 16, 10, 0};
    static final String DOC = "{\"a\": [1, 2, {\"b\": null}], \"c\": \"☃\"}";
    static final String NOTE = "naïve ☃ 𝄞";
    static final OffsetDateTime SEEN = OffsetDateTime.parse("2024-02-29T10:34:56.789Z");
    static final LocalDateTime LOCAL = LocalDateTime.parse("1999-12-31T23:59:59.5");
    static final LocalDate BORN = LocalDate.parse("1815-12-10");
    static final LocalTime WAKES = LocalTime.parse("06:30:15.25");

    /** In simple mode PgJDBC before 42.7.4 cannot send bytes, only a literal of them; some later versions only bytes. */
    static boolean sendsBytes;
    static boolean simple;

    final Connection db;
    final Tap tap;

    Checks(Connection db, Tap tap) {
        this.db = db;
        this.tap = tap;
    }

    abstract void run() throws Exception;

    static PGobject object(String type, String value) throws SQLException {
        PGobject object = new PGobject();
        object.setType(type);
        object.setValue(value);
        return object;
    }

    static Object photo() throws SQLException {
        return sendsBytes ? PHOTO : object("bytea", "\\x00ff100a00");
    }

    /** The row of all types, with java.time. */
    void bindAll(PreparedStatement st, String email) throws SQLException {
        st.setString(1, email);
        st.setString(2, "Ada Lovelace");
        st.setString(3, NOTE);
        st.setShort(4, (short) -7);
        st.setInt(5, 42);
        st.setLong(6, 9007199254740993L);
        st.setBigDecimal(7, new BigDecimal("12345.6700"));
        st.setDouble(8, -1.5e-7);
        st.setFloat(9, 0.25f);
        st.setBoolean(10, true);
        st.setObject(11, BORN);
        st.setObject(12, WAKES);
        st.setObject(13, SEEN);
        st.setObject(14, LOCAL);
        st.setObject(15, REF);
        st.setObject(16, object("jsonb", DOC));
        if (sendsBytes) {
            st.setBytes(17, PHOTO);
        } else {
            st.setObject(17, photo());
        }
        st.setObject(18, object("inet", "192.168.1.5/24"));
        st.setArray(19, db.createArrayOf("text", new String[] {"a", "b c", null, ""}));
        st.setArray(20, db.createArrayOf("int4", new Integer[] {1, -2, null}));
    }

    /** The same with java.sql's older classes. */
    void bindOld(PreparedStatement st, String email) throws SQLException {
        bindAll(st, email);
        st.setObject(4, -7, Types.SMALLINT);
        st.setObject(7, new BigDecimal("12345.6700"), Types.NUMERIC, 4);
        st.setObject(10, "true", Types.BOOLEAN);
        st.setDate(11, Date.valueOf(BORN));
        st.setTime(12, new Time(Time.valueOf("06:30:15").getTime() + 250));
        st.setTimestamp(13, Timestamp.from(SEEN.toInstant()));
        st.setTimestamp(14, Timestamp.valueOf(LOCAL));
        st.setObject(15, REF.toString(), Types.OTHER);
        st.setObject(16, DOC, Types.OTHER);
        if (sendsBytes) {
            st.setBinaryStream(17, new ByteArrayInputStream(PHOTO), PHOTO.length);
        }
        st.setObject(18, "192.168.1.5/24", Types.OTHER);
        st.setObject(20, db.createArrayOf("integer", new Object[] {1, -2, null}), Types.ARRAY);
    }

    /** First column of all rows; executed often enough to see every way of execution. */
    List<Object> column(String sql, Object... parameters) throws SQLException {
        List<Object> first = null;
        try (PreparedStatement st = db.prepareStatement(sql)) {
            for (int i = 0; i < parameters.length; i++) {
                st.setObject(i + 1, parameters[i]);
            }
            for (int turn = 0; turn < OFTEN; turn++) {
                List<Object> values = new ArrayList<>();
                try (ResultSet rs = st.executeQuery()) {
                    while (rs.next()) {
                        values.add(rs.getObject(1));
                    }
                }
                if (first == null) {
                    first = values;
                }
                Tap.same(first, values);
            }
        }
        return first;
    }

    Object one(String sql, Object... parameters) throws SQLException {
        List<Object> values = column(sql, parameters);
        Tap.same(1, values.size());
        return values.get(0);
    }

    void checkColumn(String name, List<?> wanted, String sql, Object... parameters) {
        tap.check(name, () -> Tap.same(wanted, column(sql, parameters)));
    }

    /** Names, in the order of id, of the persons that satisfy the condition. */
    void checkNames(String name, String wanted, String condition, Object... parameters) {
        checkColumn(name, wanted.isEmpty() ? List.of() : Arrays.asList(wanted.split(",")),
                "SELECT name FROM person WHERE " + condition + " ORDER BY id", parameters);
    }

    void checkState(String name, String wanted, Tap.Check check) {
        tap.check(name, () -> {
            try {
                check.run();
            } catch (SQLException e) {
                Tap.same(wanted, e.getSQLState());
                return;
            }
            throw new AssertionError("no error");
        });
    }

    /** Starts a transaction; whatever is open at the end is rolled back. */
    void checkTransaction(String name, Tap.Check check) {
        tap.check(name, () -> {
            db.setAutoCommit(false);
            try {
                check.run();
            } finally {
                db.rollback();
                db.setAutoCommit(true);
            }
        });
    }

    int update(String sql, Object... parameters) throws SQLException {
        try (PreparedStatement st = db.prepareStatement(sql)) {
            for (int i = 0; i < parameters.length; i++) {
                st.setObject(i + 1, parameters[i]);
            }
            return st.executeUpdate();
        }
    }
}
