import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import org.postgresql.util.PSQLException;

/** UPDATE, upsert, transactions, updatable results, errors. */
final class Changes extends Checks {
    Changes(Connection db, Tap tap) {
        super(db, tap);
    }

    @Override
    void run() {
        updates();
        transactions();
        results();
        errors();
    }

    private void updates() {
        tap.check("update one", () -> {
            Tap.same(1, update("UPDATE person SET note = ?, salary = ?, active = ? WHERE email = ?", "new",
                    new BigDecimal("1.5"), false, "dora@example.org"));
            Tap.same("(new,1.5,f)", one("SELECT (note, salary, active)::text FROM person WHERE name = ?", "Dora"));
        });
        tap.check("update many", () -> Tap.same(2, update("UPDATE person SET note = ? WHERE level = ?", "five", 5)));
        tap.check("increment", () -> {
            for (int i = 0; i < OFTEN; i++) {
                Tap.same(1, update("UPDATE person SET visits = visits + ? WHERE name = ?", 1, "Dora"));
            }
            Tap.same(10 + OFTEN, one("SELECT visits FROM person WHERE name = ?", "Dora"));
            Tap.same(1, update("UPDATE person SET visits = visits - ? WHERE name = ?", OFTEN, "Dora"));
        });
        tap.check("UPDATE RETURNING", () -> {
            try (PreparedStatement st = db.prepareStatement(
                    "UPDATE person SET visits = visits * 1 WHERE name = ? RETURNING visits, name, tags, lucky")) {
                for (int i = 0; i < OFTEN; i++) {
                    st.setString(1, "Ada Lovelace");
                    try (ResultSet rs = st.executeQuery()) {
                        Tap.same(true, rs.next());
                        Tap.same(42, rs.getObject(1));
                        Tap.same("Ada Lovelace", rs.getObject(2));
                        Tap.same(new String[] {"a", "b c", null, ""}, rs.getArray(3).getArray());
                        Tap.same(new Integer[] {1, -2, null}, rs.getArray(4).getArray());
                    }
                }
            }
        });
        tap.check("upsert", () -> {
            String sql = "INSERT INTO person (email, name, visits) VALUES (?, ?, ?) ON CONFLICT (email)"
                    + " DO UPDATE SET visits = person.visits + excluded.visits, name = excluded.name";
            for (int i = 0; i < OFTEN; i++) {
                Tap.same(1, update(sql, "upsert@example.org", "Upsert " + i, 1));
            }
            Tap.same("Upsert 11: 12", one("SELECT name || ': ' || visits FROM person WHERE email = ?", "upsert@example.org"));
            Tap.same(0, update("INSERT INTO person (email, name) VALUES (?, ?) ON CONFLICT DO NOTHING",
                    "upsert@example.org", "x"));
            Tap.same(1, update("DELETE FROM person WHERE email = ?", "upsert@example.org"));
        });
        tap.check("update from another table", () -> {
            Tap.same(1, update("UPDATE person p SET salary = b.amount FROM purchase b WHERE b.person_id = p.id AND b.title = ?",
                    "Engine"));
            Tap.same(new BigDecimal("1200"), one("SELECT salary FROM person WHERE name = ?", "Ada Lovelace"));
        });
    }

    private void transactions() {
        checkTransaction("commit", () -> {
            update("UPDATE person SET version = version + 1, note = ? WHERE name = ?", "committed", "Bob");
            db.commit();
            Tap.same("committed", one("SELECT note FROM person WHERE name = ?", "Bob"));
        });
        checkTransaction("rollback", () -> {
            update("UPDATE person SET note = ? WHERE name = ?", "rolled back", "Bob");
            Tap.same("rolled back", one("SELECT note FROM person WHERE name = ?", "Bob"));
            db.rollback();
            Tap.same("committed", one("SELECT note FROM person WHERE name = ?", "Bob"));
        });
        checkTransaction("savepoint", () -> {
            update("UPDATE person SET note = ? WHERE name = ?", "kept", "Bob");
            Savepoint savepoint = db.setSavepoint("here");
            try {
                update("INSERT INTO person (email, name) VALUES (?, ?)", "bob@example.org", "x");
                throw new AssertionError("no error");
            } catch (SQLException e) {
                db.rollback(savepoint);
            }
            db.commit();
            Tap.same("kept", one("SELECT note FROM person WHERE name = ?", "Bob"));
        });
        checkTransaction("SELECT FOR UPDATE", () ->
                Tap.same("Bob", one("SELECT name FROM person WHERE email = ? FOR UPDATE", "bob@example.org")));
    }

    private ResultSet updatable(Statement st, String condition) throws SQLException {
        return st.executeQuery("SELECT id, email, name, visits, salary, active, born, photo FROM person WHERE " + condition);
    }

    private Statement scrolling() throws SQLException {
        return db.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE);
    }

    private void results() {
        tap.check("updatable result: update a row", () -> {
            try (Statement st = scrolling(); ResultSet rs = updatable(st, "name = 'Dora'")) {
                Tap.same(true, rs.next());
                rs.updateString("name", "Dora II");
                rs.updateInt("visits", 11);
                rs.updateBigDecimal("salary", new BigDecimal("7.70"));
                rs.updateBoolean("active", true);
                rs.updateDate("born", java.sql.Date.valueOf("1980-05-06"));
                if (sendsBytes) {
                    rs.updateBytes("photo", PHOTO);
                }
                rs.updateRow();
                rs.refreshRow();
                Tap.same("Dora II", rs.getObject("name"));
                Tap.same(sendsBytes ? PHOTO : null, rs.getObject("photo"));
            }
            Tap.same("(\"Dora II\",11,7.70,t,1980-05-06)",
                    one("SELECT (name, visits, salary, active, born)::text FROM person WHERE email = ?", "dora@example.org"));
        });
        tap.check("updatable result: insert and delete a row", () -> {
            try (Statement st = scrolling(); ResultSet rs = updatable(st, "name = 'nobody'")) {
                rs.moveToInsertRow();
                rs.updateString("email", "insert@example.org");
                rs.updateString("name", "Inserted");
                rs.updateInt("visits", 3);
                rs.updateNull("salary");
                rs.updateBoolean("active", false);
                rs.insertRow();
            }
            try (Statement st = scrolling(); ResultSet rs = updatable(st, "email = 'insert@example.org'")) {
                Tap.same(true, rs.next());
                Tap.same(3, rs.getObject("visits"));
                Tap.same(false, rs.getObject("active"));
                rs.deleteRow();
            }
            Tap.same(0L, one("SELECT count(*) FROM person WHERE email = ?", "insert@example.org"));
        });
        tap.check("scrolling", () -> {
            try (Statement st = scrolling(); ResultSet rs = st.executeQuery("SELECT visits FROM person ORDER BY visits")) {
                rs.last();
                Tap.same(42, rs.getObject(1));
                rs.absolute(2);
                Tap.same(0, rs.getObject(1));
                rs.previous();
                Tap.same(-1, rs.getObject(1));
            }
        });
    }

    private void errors() {
        tap.check("unique violation", () -> {
            try {
                update("INSERT INTO person (email, name) VALUES (?, ?)", "ada@example.org", "x");
            } catch (PSQLException e) {
                Tap.same("23505", e.getSQLState());
                Tap.same("person_email_key", e.getServerErrorMessage().getConstraint());
                return;
            }
            throw new AssertionError("no error");
        });
        checkState("NOT NULL violation", "23502", () ->
                update("INSERT INTO person (email, name) VALUES (?, ?)", "null@example.org", null));
        checkState("smallint out of range", "22003", () ->
                update("UPDATE person SET level = ? WHERE name = ?", 32768, "Bob"));
        checkState("bad uuid", "22P02", () -> one("SELECT name FROM person WHERE ref = ?::uuid", "no uuid"));
        checkState("text for a number", "42883", () -> {
            try (Statement st = db.createStatement()) {
                st.executeQuery("SELECT name FROM person WHERE visits = 'x'::varchar");
            }
        });
        tap.check("the connection goes on after errors", () ->
                Tap.same("Bob", one("SELECT name FROM person WHERE email = ?", "bob@example.org")));
    }
}
