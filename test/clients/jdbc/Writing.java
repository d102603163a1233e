import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.Statement;
import java.sql.Types;
import java.util.Arrays;

/** INSERT in all ways. */
final class Writing extends Checks {
    Writing(Connection db, Tap tap) {
        super(db, tap);
    }

    @Override
    void run() {
        tap.check("insert all types", () -> {
            try (PreparedStatement st = db.prepareStatement(INSERT)) {
                bindAll(st, "ada@example.org");
                Tap.same(1, st.executeUpdate());
            }
        });
        tap.check("insert all types by java.sql's classes, often", () -> {
            try (PreparedStatement st = db.prepareStatement(INSERT)) {
                for (int i = 0; i < OFTEN; i++) {
                    bindOld(st, "old" + i + "@example.org");
                    Tap.same(1, st.executeUpdate());
                }
            }
            Object different = one("SELECT count(DISTINCT (" + COLUMNS.replace("email, ", "") + ")) FROM person");
            Tap.same(OFTEN, update("DELETE FROM person WHERE email LIKE ?", "old%"));
            Tap.same(1L, different);
        });
        tap.check("insert NULLs by setNull with all types", this::insertNulls);
        tap.check("insert NULLs by setObject", () -> {
            try (PreparedStatement st = db.prepareStatement(INSERT)) {
                bindAll(st, "carl@example.org");
                st.setString(2, "Carl");
                for (int i = 4; i <= 20; i++) {
                    if (i != 5 && i != 10) {
                        st.setObject(i, null);
                    }
                }
                st.setString(3, "");
                st.setBoolean(10, false);
                st.setInt(5, -1);
                Tap.same(1, st.executeUpdate());
            }
        });
        tap.check("generated keys: id", this::generatedId);
        tap.check("generated keys: named columns", this::generatedColumns);
        tap.check("generated keys: all columns", () -> {
            try (PreparedStatement st = db.prepareStatement(
                    "UPDATE person SET note = 'first' WHERE email = ?", Statement.RETURN_GENERATED_KEYS)) {
                st.setString(1, "emil@example.org");
                st.executeUpdate();
                try (ResultSet rs = st.getGeneratedKeys()) {
                    Tap.same(true, rs.next());
                    Tap.same("first", rs.getObject("note"));
                    Tap.same(20, rs.getObject("visits"));
                    Tap.same(false, rs.getObject("active"));
                    Tap.same(false, rs.next());
                }
            }
        });
        tap.check("a number by setters of other types", this::otherNumbers);
        checkTransaction("batch", this::batch);
        checkTransaction("batch with generated keys", this::batchWithKeys);
        tap.check("insert without parameters", () -> {
            try (Statement st = db.createStatement()) {
                Tap.same(1, st.executeUpdate("INSERT INTO purchase (person_id, title, amount, paid, at) SELECT id,"
                        + " 'Notes', 9.90, true, '2024-01-02 03:04:05+00' FROM person WHERE email = 'ada@example.org'"));
                Tap.same(1, st.executeUpdate("INSERT INTO purchase (person_id, title, amount) SELECT id,"
                        + " 'Engine', 1200 FROM person WHERE email = 'ada@example.org'"));
            }
        });
    }

    private void insertNulls() throws Exception {
        int[] types = {0, 0, Types.VARCHAR, Types.SMALLINT, 0, Types.BIGINT, Types.NUMERIC, Types.DOUBLE, Types.REAL,
            0, Types.DATE, Types.TIME, Types.TIMESTAMP_WITH_TIMEZONE, Types.TIMESTAMP, Types.OTHER, Types.OTHER,
            Types.BINARY, Types.OTHER, Types.ARRAY, Types.ARRAY};
        try (PreparedStatement st = db.prepareStatement(INSERT)) {
            bindAll(st, "bob@example.org");
            st.setString(2, "Bob");
            for (int i = 0; i < types.length; i++) {
                if (types[i] != 0) {
                    st.setNull(i + 1, types[i]);
                }
            }
            st.setInt(5, 0);
            Tap.same(1, st.executeUpdate());
        }
        Tap.same(0, one("SELECT num_nonnulls(note, level, points, salary, score, ratio, born, wakes, seen, local, ref,"
                + " doc, photo, address, tags, lucky) FROM person WHERE email = ?", "bob@example.org"));
    }

    private void generatedId() throws Exception {
        try (PreparedStatement st = db.prepareStatement(
                "INSERT INTO person (email, name, level, visits, salary, born, address) VALUES (?, ?, ?, ?, ?, ?, ?::inet)",
                new String[] {"id"})) {
            st.setString(1, "dora@example.org");
            st.setString(2, "Dora");
            st.setInt(3, 5);
            st.setInt(4, 10);
            st.setBigDecimal(5, new BigDecimal("100"));
            st.setObject(6, java.time.LocalDate.of(1980, 5, 5));
            st.setString(7, "10.0.0.1");
            Tap.same(1, st.executeUpdate());
            try (ResultSet rs = st.getGeneratedKeys()) {
                Tap.same(true, rs.next());
                Tap.same(Long.class, rs.getObject(1).getClass());
            }
        }
    }

    private void generatedColumns() throws Exception {
        try (PreparedStatement st = db.prepareStatement(
                "INSERT INTO person (email, name, level, visits, salary, active, born) VALUES (?, ?, ?, ?, ?, ?, ?)",
                new String[] {"id", "email", "level", "visits", "salary", "active", "born", "version"})) {
            st.setString(1, "emil@example.org");
            st.setString(2, "Émile");
            st.setShort(3, (short) 5);
            st.setInt(4, 20);
            st.setBigDecimal(5, new BigDecimal("200.50"));
            st.setBoolean(6, false);
            st.setDate(7, java.sql.Date.valueOf("1990-06-06"));
            Tap.same(1, st.executeUpdate());
            try (ResultSet rs = st.getGeneratedKeys()) {
                Tap.same(true, rs.next());
                Tap.same("emil@example.org", rs.getObject("email"));
                Tap.same(5, rs.getObject("level"));
                Tap.same(20, rs.getObject("visits"));
                Tap.same(new BigDecimal("200.50"), rs.getObject("salary"));
                Tap.same(false, rs.getObject("active"));
                Tap.same(java.sql.Date.valueOf("1990-06-06"), rs.getObject("born"));
                Tap.same(0, rs.getObject("version"));
            }
        }
    }

    private void otherNumbers() throws Exception {
        String sql = "INSERT INTO person (email, name, level, visits, points, salary, score, ratio)"
                + " VALUES ('n@example.org', 'Number', ?, ?, ?, ?, ?, ?) RETURNING "
                + "(level, visits, points, salary, score, ratio)::text";
        Object[][] rows = {
            {1L, 2L, 3, 4, 5, 6},
            {1, 2, (short) 3, 4L, 5L, 6L},
            {new BigDecimal(1), new BigDecimal(2), new BigDecimal(3), 4.0, new BigDecimal(5), new BigDecimal(6)},
            {1.0, 2.0, 3.0, 4.0f, 5.0f, 6.0},
        };
        for (Object[] row : rows) {
            try (PreparedStatement st = db.prepareStatement(sql)) {
                for (int i = 0; i < row.length; i++) {
                    st.setObject(i + 1, row[i]);
                }
                try (ResultSet rs = st.executeQuery()) {
                    Tap.same(true, rs.next());
                    Tap.same("(1,2,3,4,5,6)", rs.getString(1));
                }
            }
            Tap.same(1, update("DELETE FROM person WHERE email = ?", "n@example.org"));
        }
    }

    private void batch() throws Exception {
        int[] wanted = new int[20];
        Arrays.fill(wanted, 1);
        try (PreparedStatement st = db.prepareStatement(INSERT)) {
            for (int i = 0; i < wanted.length; i++) {
                bindAll(st, "batch" + i + "@example.org");
                st.setString(2, "Batch");
                st.setInt(5, i);
                st.setBoolean(10, i % 2 == 0);
                st.addBatch();
            }
            int[] got = st.executeBatch();
            Tap.same(wanted.length, got.length);
        }
        Tap.same(190L, one("SELECT sum(visits) FROM person WHERE name = ?", "Batch"));
        try (PreparedStatement st = db.prepareStatement("UPDATE person SET visits = ? WHERE email = ?")) {
            for (int i = 0; i < wanted.length; i++) {
                st.setInt(1, i * 10);
                st.setString(2, "batch" + i + "@example.org");
                st.addBatch();
            }
            Tap.same(wanted, st.executeBatch());
        }
        Tap.same(1900L, one("SELECT sum(visits) FROM person WHERE name = ?", "Batch"));
    }

    private void batchWithKeys() throws Exception {
        try (PreparedStatement st = db.prepareStatement("INSERT INTO person (email, name, visits) VALUES (?, ?, ?)",
                new String[] {"name", "visits"})) {
            for (int i = 0; i < 10; i++) {
                st.setString(1, "batch" + i + "@example.org");
                st.setString(2, "Batch " + i);
                st.setInt(3, i);
                st.addBatch();
            }
            st.executeBatch();
            try (ResultSet rs = st.getGeneratedKeys()) {
                for (int i = 0; i < 10; i++) {
                    Tap.same(true, rs.next());
                    Tap.same("Batch " + i, rs.getObject(1));
                    Tap.same(i, rs.getObject(2));
                }
                Tap.same(false, rs.next());
            }
        }
    }
}
