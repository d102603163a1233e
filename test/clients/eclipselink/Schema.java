import java.util.HashMap;
import java.util.List;
import java.util.Map;
import javax.persistence.EntityManager;
import javax.persistence.EntityManagerFactory;
import javax.persistence.Persistence;

/** DDL generation: tables from entities that say which columns are encrypted. */
final class Schema {
    private static final Tap TAP = new Tap("");

    private Schema() {
    }

    interface Work {
        void run(EntityManager em);
    }

    private static void with(String unit, String action, Work work) {
        Map<String, String> env = System.getenv();
        Map<String, String> properties = new HashMap<>();
        properties.put("javax.persistence.jdbc.url", "jdbc:postgresql://" + env.get("PGHOST") + ":" + env.get("PGPORT")
                + "/" + env.get("PGDATABASE"));
        properties.put("javax.persistence.jdbc.user", env.get("PGUSER"));
        properties.put("javax.persistence.jdbc.password", env.get("PGPASSWORD"));
        properties.put("eclipselink.ddl-generation", action);
        EntityManagerFactory factory = Persistence.createEntityManagerFactory(unit, properties);
        try {
            EntityManager em = factory.createEntityManager();
            em.getTransaction().begin();
            work.run(em);
            em.getTransaction().commit();
            em.close();
        } finally {
            factory.close();
        }
    }

    private static void columns(EntityManager em, String... wanted) {
        Tap.same(List.of(wanted), em.createNativeQuery("select attname || ' ' || format_type(atttypid, atttypmod)"
                + " from pg_attribute where attrelid = cast('customer' as regclass) and format_type(atttypid, null) like 'enc%'"
                + " order by attname").getResultList());
    }

    public static void main(String[] args) {
        String[] made = {"born encdate('pii')", "email enctext('pii','equality')", "name enctext('pii','order')",
            "visits encint4('pii')"};
        String[] grown = {made[0], made[1], made[2], "note enctext('other')", made[3]};

        TAP.check("create-tables makes encrypted columns", () -> with("tables", "create-tables", em -> columns(em, made)));
        TAP.check("create-or-extend-tables finds nothing to do",
                () -> with("tables", "create-or-extend-tables", em -> columns(em, made)));
        TAP.check("values come back", () -> {
            with("tables", "none", em -> {
                Customer customer = new Customer();
                customer.email = "ada@example.org";
                customer.name = "Ada";
                customer.visits = 42;
                customer.born = java.sql.Date.valueOf("1815-12-10");
                em.persist(customer);
            });
            with("tables", "none", em -> {
                Customer customer = em.createQuery("select c from Customer c where c.email = 'ada@example.org'", Customer.class)
                        .getSingleResult();
                Tap.same(42, customer.visits);
                Tap.same(java.sql.Date.valueOf("1815-12-10"), new java.sql.Date(customer.born.getTime()));
            });
        });
        TAP.check("create-or-extend-tables adds an encrypted column, and leaves the others",
                () -> with("grown", "create-or-extend-tables", em -> columns(em, grown)));
        TAP.check("an entity that knows nothing of it works", () -> with("grown", "none", em -> Tap.same(1L,
                em.createQuery("select count(c) from GrownCustomer c where c.email like 'ada@%'").getSingleResult())));
        Tap.finish();
    }
}
