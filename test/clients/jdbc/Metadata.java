import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.ParameterMetaData;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.postgresql.PGResultSetMetaData;

/** What the driver says of results, parameters and tables. */
final class Metadata extends Checks {
    private static final String ALL = "SELECT id, " + COLUMNS + ", created_at, version FROM person";

    Metadata(Connection db, Tap tap) {
        super(db, tap);
    }

    private interface Property {
        Object of(ResultSetMetaData meta, int column) throws SQLException;
    }

    /** Both of a result and, before any execution, of a prepared statement. */
    private void result(String name, String sql, Property property, Object... wanted) {
        tap.check(name + " of a result", () -> {
            try (PreparedStatement st = db.prepareStatement(sql)) {
                for (int turn = 0; turn < OFTEN; turn++) {
                    try (ResultSet rs = st.executeQuery()) {
                        same(wanted, rs.getMetaData(), property);
                    }
                }
            }
        });
        tap.check(name + " of a prepared statement", () -> {
            try (PreparedStatement st = db.prepareStatement(sql)) {
                same(wanted, st.getMetaData(), property);
            }
        });
    }

    private static void same(Object[] wanted, ResultSetMetaData meta, Property property) throws SQLException {
        List<Object> got = new ArrayList<>();
        for (int i = 1; i <= meta.getColumnCount(); i++) {
            got.add(property.of(meta, i));
        }
        Tap.same(Arrays.asList(wanted).toString(), got.toString());
    }

    private void parameters(String name, String sql, String... wanted) {
        tap.check("parameter types: " + name, () -> {
            try (PreparedStatement st = db.prepareStatement(sql)) {
                ParameterMetaData meta = st.getParameterMetaData();
                List<String> got = new ArrayList<>();
                for (int i = 1; i <= meta.getParameterCount(); i++) {
                    got.add(meta.getParameterTypeName(i));
                }
                Tap.same(String.join(" ", wanted), String.join(" ", got));
            }
        });
    }

    private List<Object> list(ResultSet rs, String column) throws SQLException {
        try (rs) {
            List<Object> values = new ArrayList<>();
            while (rs.next()) {
                values.add(rs.getObject(column));
            }
            return values;
        }
    }

    @Override
    void run() throws SQLException {
        results();
        // Simple mode has no parameters to ask for.
        if (!simple) {
            parameters();
        }
        catalog();
    }

    /** What the driver calls jsonb's class, which depends on its version: of a value from no table. */
    private String jsonbClass() throws SQLException {
        try (PreparedStatement st = db.prepareStatement("SELECT '{}'::jsonb"); ResultSet rs = st.executeQuery()) {
            return rs.getMetaData().getColumnClassName(1);
        }
    }

    private void results() throws SQLException {
        result("type names", ALL, ResultSetMetaData::getColumnTypeName, "bigserial", "text", "text", "text", "int2", "int4",
                "int8", "numeric", "float8", "float4", "bool", "date", "time", "timestamptz", "timestamp", "uuid",
                "jsonb", "bytea", "inet", "_text", "_int4", "timestamptz", "int4");
        result("classes", ALL, ResultSetMetaData::getColumnClassName, "java.lang.Long", "java.lang.String",
                "java.lang.String", "java.lang.String", "java.lang.Integer", "java.lang.Integer", "java.lang.Long",
                "java.math.BigDecimal", "java.lang.Double", "java.lang.Float", "java.lang.Boolean", "java.sql.Date",
                "java.sql.Time", "java.sql.Timestamp", "java.sql.Timestamp", "java.util.UUID",
                jsonbClass(), "[B", "java.lang.String", "java.sql.Array", "java.sql.Array",
                "java.sql.Timestamp", "java.lang.Integer");
        result("JDBC types", ALL, ResultSetMetaData::getColumnType, -5, 12, 12, 12, 5, 4, -5, 2, 8, 7, -7, 91, 92, 93,
                93, 1111, 1111, -2, 1111, 2003, 2003, 93, 4);
        result("precisions", ALL, ResultSetMetaData::getPrecision, 19, Integer.MAX_VALUE, Integer.MAX_VALUE,
                Integer.MAX_VALUE, 5, 10, 19, 0, 17, 8, 1, 13, 15, 35, 29, Integer.MAX_VALUE, Integer.MAX_VALUE,
                Integer.MAX_VALUE, Integer.MAX_VALUE, Integer.MAX_VALUE, 10, 35, 10);
        result("signed", "SELECT visits, name, salary, active FROM person", ResultSetMetaData::isSigned, true, false,
                true, false);
        result("case sensitivity", "SELECT visits, name, active FROM person", ResultSetMetaData::isCaseSensitive,
                false, true, false);
        result("types of expressions", "SELECT lower(name), visits + 1, sum(salary), min(born), max(note), avg(score),"
                + " CASE WHEN active THEN name END, tags[1], doc ->> 'a', array_agg(visits), coalesce(level::integer, 0)"
                + " FROM person GROUP BY name, visits, active, tags, doc, level",
                ResultSetMetaData::getColumnTypeName,
                "text", "int4", "numeric", "date", "text", "float8", "text", "text", "text", "_int4", "int4");
        result("types of a union", "SELECT name, amount, paid FROM person JOIN purchase ON person_id = person.id UNION"
                + " SELECT title, amount, true FROM purchase", ResultSetMetaData::getColumnTypeName,
                "text", "numeric", "bool");
        result("base tables and columns", "SELECT p.name AS n, b.title, p.visits + 1, lower(b.title) FROM person p"
                + " JOIN purchase b ON b.person_id = p.id ORDER BY p.name",
                (meta, i) -> ((PGResultSetMetaData) meta).getBaseTableName(i) + "."
                + ((PGResultSetMetaData) meta).getBaseColumnName(i), "person.name", "purchase.title", ".", ".");
        result("nullability", "SELECT email, note, lower(note) FROM person", ResultSetMetaData::isNullable, 0, 1, 2);
    }

    private void parameters() {
        parameters("INSERT", INSERT, "text", "text", "text", "int2", "int4", "int8", "numeric", "float8", "float4",
                "bool", "date", "time", "timestamptz", "timestamp", "uuid", "jsonb", "bytea", "inet", "_text", "_int4");
        parameters("UPDATE", "UPDATE person SET name = ?, visits = visits + ?, active = NOT ? WHERE email = ? AND salary > ?",
                "text", "int4", "bool", "text", "numeric");
        parameters("conditions", "SELECT id FROM person WHERE name LIKE ? AND born BETWEEN ? AND ? AND email = ANY (?)"
                + " AND level IN (?, ?) AND ref = ? AND seen < ? AND doc ->> ? = ? LIMIT ?",
                "text", "date", "date", "_text", "int2", "int2", "uuid", "timestamptz", "text", "text", "int8");
    }

    private void catalog() {
        tap.check("tables", () -> {
            DatabaseMetaData meta = db.getMetaData();
            Tap.same("[person, purchase]",
                    list(meta.getTables(null, "public", "p%", new String[] {"TABLE"}), "TABLE_NAME").toString());
        });
        tap.check("columns", () -> {
            DatabaseMetaData meta = db.getMetaData();
            Tap.same("[id, " + COLUMNS.replaceAll(", *", ", ") + ", created_at, version]",
                    list(meta.getColumns(null, "public", "person", null), "COLUMN_NAME").toString());
        });
        tap.check("keys and indexes", () -> {
            DatabaseMetaData meta = db.getMetaData();
            Tap.same("[id]", list(meta.getPrimaryKeys(null, "public", "person"), "COLUMN_NAME").toString());
            Tap.same("[person_id]", list(meta.getImportedKeys(null, "public", "purchase"), "FKCOLUMN_NAME").toString());
            Tap.same(true, list(meta.getIndexInfo(null, "public", "person", true, true), "COLUMN_NAME").contains("email"));
        });
    }
}
