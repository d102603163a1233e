import java.util.Date;
import java.util.List;
import java.util.Map;
import javax.persistence.Column;
import javax.persistence.Entity;
import javax.persistence.GeneratedValue;
import javax.persistence.GenerationType;
import javax.persistence.Id;
import javax.persistence.Table;
import javax.persistence.Temporal;
import javax.persistence.TemporalType;
import org.hibernate.HibernateException;
import org.hibernate.Session;
import org.hibernate.SessionFactory;
import org.hibernate.cfg.Configuration;

/** hbm2ddl: tables from entities that say which columns are encrypted. */
final class Schema {
    private static final Tap TAP = new Tap("");

    /** As it is at first. */
    @Entity
    @Table(name = "customer")
    public static class Customer {
        @Id
        @GeneratedValue(strategy = GenerationType.IDENTITY)
        public Long id;
        @Column(columnDefinition = "enctext('pii','equality')", nullable = false)
        public String email;
        @Column(columnDefinition = "enctext('pii','order')", unique = true)
        public String name;
        @Column(columnDefinition = "encint4('pii')")
        public int visits;
        @Column(columnDefinition = "encdate('pii')")
        @Temporal(TemporalType.DATE)
        public Date born;
    }

    /** With a column more. */
    @Entity
    @Table(name = "customer")
    public static class Grown {
        @Id
        @GeneratedValue(strategy = GenerationType.IDENTITY)
        public Long id;
        @Column(columnDefinition = "enctext('other')")
        public String note;
    }

    /** Which knows nothing of the encryption. */
    @Entity
    @Table(name = "customer")
    public static class Unaware {
        @Id
        @GeneratedValue(strategy = GenerationType.IDENTITY)
        public Long id;
        public String email;
        public String name;
    }

    private Schema() {
    }

    @SuppressWarnings("deprecation")
    private static SessionFactory factory(String action, Class<?> entity) {
        Map<String, String> env = System.getenv();
        return new Configuration().addAnnotatedClass(entity)
                .setProperty("hibernate.connection.url", "jdbc:postgresql://" + env.get("PGHOST") + ":" + env.get("PGPORT")
                        + "/" + env.get("PGDATABASE"))
                .setProperty("hibernate.connection.username", env.get("PGUSER"))
                .setProperty("hibernate.connection.password", env.get("PGPASSWORD"))
                .setProperty("hibernate.connection.driver_class", "org.postgresql.Driver")
                .setProperty("hibernate.dialect", "org.hibernate.dialect.PostgreSQLDialect")
                .setProperty("hibernate.hbm2ddl.auto", action)
                .buildSessionFactory();
    }

    interface Work {
        void run(Session session);
    }

    private static void with(String action, Class<?> entity, Work work) {
        SessionFactory factory = factory(action, entity);
        try {
            Session session = factory.openSession();
            session.beginTransaction();
            work.run(session);
            session.getTransaction().commit();
            session.close();
        } finally {
            factory.close();
        }
    }

    private static void columns(Session session, String... wanted) {
        Tap.same(List.of(wanted), session.createSQLQuery("select attname || ' ' || format_type(atttypid, atttypmod)"
                + " from pg_attribute where attrelid = cast('customer' as regclass) and format_type(atttypid, null) like 'enc%'"
                + " order by attname").list());
    }

    public static void main(String[] args) {
        String[] made = {"born encdate('pii')", "email enctext('pii','equality')", "name enctext('pii','order')",
            "visits encint4('pii')"};
        String[] grown = {made[0], made[1], made[2], "note enctext('other')", made[3]};

        TAP.check("create makes encrypted columns", () -> with("create", Customer.class, session -> columns(session, made)));
        TAP.check("update finds nothing to do", () -> with("update", Customer.class, session -> columns(session, made)));
        TAP.check("validate accepts them", () -> with("validate", Customer.class, session -> columns(session, made)));
        TAP.check("values come back", () -> {
            with("validate", Customer.class, session -> {
                Customer customer = new Customer();
                customer.email = "ada@example.org";
                customer.name = "Ada";
                customer.visits = 42;
                customer.born = java.sql.Date.valueOf("1815-12-10");
                session.save(customer);
            });
            with("validate", Customer.class, session -> {
                Customer customer = (Customer) session.createQuery("from Schema$Customer where email = :email")
                        .setParameter("email", "ada@example.org").uniqueResult();
                Tap.same(42, customer.visits);
                Tap.same(java.sql.Date.valueOf("1815-12-10"), customer.born);
            });
        });
        TAP.check("update adds an encrypted column", () -> with("update", Grown.class, session -> columns(session, grown)));
        TAP.check("update of an entity that knows nothing of it changes nothing",
                () -> with("update", Unaware.class, session -> columns(session, grown)));
        TAP.check("such an entity works", () -> with("none", Unaware.class, session -> Tap.same("Ada",
                session.createQuery("select name from Schema$Unaware where email = 'ada@example.org'").uniqueResult())));
        TAP.check("validate of such an entity fails", () -> {
            try {
                factory("validate", Unaware.class).close();
            } catch (HibernateException e) {
                // newer drivers name the database as well
                Tap.same("Wrong column type in public.customer for column email. Found: enctext",
                        e.getMessage().replace(" in scratch.", " in ").replaceFirst("(enctext).*", "$1"));
                return;
            }
            throw new AssertionError("no error");
        });
        Tap.finish();
    }
}
