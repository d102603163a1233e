import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Map;
import java.util.TreeMap;

/**
 * PgJDBC: all checks in each of the ways in which it can talk to the server.
 */
final class Main {
    private static String url(String options) {
        Map<String, String> env = System.getenv();
        return "jdbc:postgresql://" + env.get("PGHOST") + ":" + env.get("PGPORT") + "/" + env.get("PGDATABASE")
                + "?user=" + env.get("PGUSER") + "&password=" + env.get("PGPASSWORD") + options;
    }

    private static boolean sendsBytes(Connection db) {
        try (PreparedStatement st = db.prepareStatement("SELECT ?::bytea")) {
            st.setBytes(1, Checks.PHOTO);
            st.executeQuery().close();
            return true;
        } catch (SQLException e) {
            return false;
        }
    }

    public static void main(String[] args) throws Exception {
        Map<String, String> modes = new TreeMap<>();
        // Text at first, binary for most types from the fifth execution on.
        modes.put("default", "");
        modes.put("binary", "&prepareThreshold=-1&binaryTransferEnable=1700,1042,1082,1083,1114,1184");
        // As behind a pooler that does not know prepared statements.
        modes.put("no server prepare", "&prepareThreshold=0");
        modes.put("simple", "&preferQueryMode=simple");
        modes.put("unspecified", "&stringtype=unspecified&reWriteBatchedInserts=true&autosave=always");
        for (Map.Entry<String, String> mode : modes.entrySet()) {
            Checks.simple = mode.getKey().equals("simple");
            Tap tap = new Tap(mode.getKey() + ": ");
            try (Connection db = DriverManager.getConnection(url(mode.getValue()))) {
                try (Statement st = db.createStatement()) {
                    st.execute("TRUNCATE person, purchase RESTART IDENTITY");
                }
                Checks.sendsBytes = !Checks.simple || sendsBytes(db);
                new Writing(db, tap).run();
                new Reading(db, tap).run();
                new Metadata(db, tap).run();
                new Queries(db, tap).run();
                new Changes(db, tap).run();
                new CopyAndCursors(db, tap).run();
            }
        }
        Tap.finish();
    }
}
