import java.math.BigDecimal;
import java.sql.SQLException;
import java.sql.Timestamp;
import java.time.Instant;
import java.util.Arrays;
import java.util.Date;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.function.Function;
import javax.persistence.EntityManager;
import javax.persistence.EntityManagerFactory;
import javax.persistence.LockModeType;
import javax.persistence.OptimisticLockException;
import javax.persistence.Persistence;
import javax.persistence.PersistenceException;

/** EclipseLink by JPA's interface. */
final class Main {
    static final byte[] PHOTO = {0, -1, 16, 10, 0};
    static final UUID REF = UUID.fromString("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
    private static final String NOTE = "naïve ☃ 𝄞";
    private static final Tap TAP = new Tap("");
    private static EntityManagerFactory factory;

    interface Work {
        void run(EntityManager em) throws Exception;
    }

    /** A check in a transaction of its own, with nothing cached before it. */
    static void check(String name, Work work) {
        TAP.check(name, () -> inTransaction(work));
    }

    private static void inTransaction(Work work) throws Exception {
        EntityManager em = factory.createEntityManager();
        try {
            em.getTransaction().begin();
            work.run(em);
            if (em.getTransaction().isActive() && !em.getTransaction().getRollbackOnly()) {
                em.getTransaction().commit();
            }
        } finally {
            if (em.getTransaction().isActive()) {
                em.getTransaction().rollback();
            }
            em.close();
        }
    }

    static Person get(EntityManager em, String email) {
        return em.createQuery("select p from Person p where p.email = :email", Person.class)
                .setParameter("email", email).getSingleResult();
    }

    private static Date date(String instant) {
        return Timestamp.from(Instant.parse(instant));
    }

    private static Person ada() {
        Person person = new Person("ada@example.org", "Ada Lovelace", 42);
        person.note = NOTE;
        person.level = -7;
        person.points = 9007199254740993L;
        person.salary = new BigDecimal("12345.6700");
        person.score = -1.5e-7;
        person.ratio = 0.25f;
        person.born = java.sql.Date.valueOf("1815-12-10");
        person.wakes = java.sql.Time.valueOf("06:30:15");
        person.seen = date("2024-02-29T10:34:56.789Z");
        person.local = date("1999-12-31T23:59:59.5Z");
        person.ref = REF;
        person.photo = PHOTO;
        return person;
    }

    private static void insert() {
        check("persist all types, with what belongs to it", em -> {
            Person person = ada();
            new Purchase(person, "Notes", "9.90", true);
            new Purchase(person, "Engine", "1200", false);
            em.persist(person);
            em.flush();
            Tap.same(true, person.id > 0 && person.purchases.get(1).id > 0);
        });
        check("persist NULLs", em -> em.persist(new Person("bob@example.org", "Bob", 0)));
        check("persist false, an empty string, empty bytes", em -> {
            Person person = new Person("carl@example.org", "Carl", -1);
            person.note = "";
            person.active = false;
            person.photo = new byte[0];
            em.persist(person);
        });
        check("persist in batches", em -> {
            for (int i = 0; i < 50; i++) {
                em.persist(new Person("many" + i + "@example.org", "Many", i));
            }
        });
        check("persist more", em -> {
            Person dora = new Person("dora@example.org", "Dora", 10);
            dora.level = 5;
            dora.salary = new BigDecimal("100");
            dora.born = java.sql.Date.valueOf("1980-05-05");
            em.persist(dora);
            em.flush();
            Person emil = new Person("emil@example.org", "Émile", 20);
            emil.level = 5;
            emil.salary = new BigDecimal("200.50");
            emil.born = java.sql.Date.valueOf("1990-06-06");
            emil.active = false;
            em.persist(emil);
        });
    }

    private static void read(String name, Object wanted, Function<Person, Object> getter) {
        check("read " + name, em -> Tap.same(wanted, getter.apply(get(em, "ada@example.org"))));
    }

    private static void read() {
        read("email", "ada@example.org", p -> p.email);
        read("note", NOTE, p -> p.note);
        read("level", (short) -7, p -> p.level);
        read("visits", 42, p -> p.visits);
        read("points", 9007199254740993L, p -> p.points);
        read("salary", new BigDecimal("12345.6700"), p -> p.salary);
        read("score", -1.5e-7, p -> p.score);
        read("ratio", 0.25f, p -> p.ratio);
        read("active", true, p -> p.active);
        read("born", java.sql.Date.valueOf("1815-12-10"), p -> new java.sql.Date(p.born.getTime()));
        read("wakes", java.sql.Time.valueOf("06:30:15"), p -> new java.sql.Time(p.wakes.getTime()));
        read("seen", date("2024-02-29T10:34:56.789Z"), p -> new Timestamp(p.seen.getTime()));
        read("local", date("1999-12-31T23:59:59.5Z"), p -> new Timestamp(p.local.getTime()));
        read("ref", REF, p -> p.ref);
        read("photo", PHOTO, p -> p.photo);
        check("read NULLs", em -> {
            Person bob = get(em, "bob@example.org");
            Object[] values = {bob.note, bob.level, bob.points, bob.salary, bob.score, bob.ratio, bob.born, bob.wakes,
                bob.seen, bob.local, bob.ref, bob.photo};
            Tap.same(new Object[values.length], values);
        });
        check("read false, an empty string, empty bytes", em -> {
            Person carl = get(em, "carl@example.org");
            Tap.same(Arrays.asList("", false), Arrays.asList(carl.note, carl.active));
            Tap.same(new byte[0], carl.photo);
        });
        check("an unchanged entity is not written", em -> {
            Person person = get(em, "ada@example.org");
            em.flush();
            Tap.same(1, person.version);
        });
    }

    private static void change() {
        check("update one", em -> {
            Person dora = get(em, "dora@example.org");
            dora.name = "Dora II";
            dora.visits = 11;
            dora.active = false;
            dora.salary = new BigDecimal("-0.01");
            dora.photo = PHOTO;
        });
        check("what an update has left", em -> {
            Person dora = get(em, "dora@example.org");
            Tap.same(Arrays.asList("Dora II", 11, false, new BigDecimal("-0.01"), 2),
                    Arrays.asList(dora.name, dora.visits, dora.active, dora.salary, dora.version));
            Tap.same(PHOTO, dora.photo);
        });
        check("update many", em -> Tap.same(50, em.createQuery("update Person p set p.note = :note, p.active = false"
                + " where p.name = :name").setParameter("note", "many").setParameter("name", "Many").executeUpdate()));
        check("increment", em -> {
            for (int i = 0; i < 12; i++) {
                Tap.same(1, em.createQuery("update Person p set p.visits = p.visits + 1 where p.email = :email")
                        .setParameter("email", "dora@example.org").executeUpdate());
            }
            Tap.same(23, get(em, "dora@example.org").visits);
        });
        check("upsert", em -> {
            for (int i = 0; i < 3; i++) {
                em.createNativeQuery("insert into person (email, name, visits) values (?, ?, ?)"
                        + " on conflict (email) do update set visits = person.visits + excluded.visits")
                        .setParameter(1, "upsert@example.org").setParameter(2, "Upsert").setParameter(3, 2).executeUpdate();
            }
            Tap.same(6, get(em, "upsert@example.org").visits);
        });
        check("rollback", em -> {
            get(em, "bob@example.org").note = "lost";
            em.flush();
            em.getTransaction().rollback();
            em.getTransaction().begin();
            em.clear();
            Tap.same(null, get(em, "bob@example.org").note);
        });
        check("optimistic lock", em -> {
            Person bob = get(em, "bob@example.org");
            inTransaction(other -> get(other, "bob@example.org").note = "faster");
            bob.note = "slower";
            try {
                em.flush();
            } catch (OptimisticLockException e) {
                return;
            }
            throw new AssertionError("no error");
        });
        check("pessimistic lock", em -> {
            Person bob = get(em, "bob@example.org");
            em.lock(bob, LockModeType.PESSIMISTIC_WRITE);
            Tap.same("faster", bob.note);
        });
        check("unique violation", em -> {
            try {
                em.persist(new Person("bob@example.org", "x", 0));
                em.flush();
            } catch (PersistenceException e) {
                Throwable cause = e;
                while (!(cause instanceof SQLException)) {
                    cause = cause.getCause();
                }
                Tap.same("23505", ((SQLException) cause).getSQLState());
                return;
            }
            throw new AssertionError("no error");
        });
        check("remove one, with what belongs to it", em -> {
            em.remove(get(em, "ada@example.org"));
            em.flush();
            Tap.same(0L, em.createQuery("select count(p) from Purchase p").getSingleResult());
        });
        check("remove many", em -> Tap.same(50,
                em.createQuery("delete from Person p where p.name = :name").setParameter("name", "Many").executeUpdate()));
    }

    public static void main(String[] args) {
        Map<String, String> env = System.getenv();
        Map<String, String> properties = new HashMap<>();
        // EclipseLink binds a NULL uuid as text, and its users have the driver leave open what that is.
        properties.put("javax.persistence.jdbc.url", "jdbc:postgresql://" + env.get("PGHOST") + ":" + env.get("PGPORT")
                + "/" + env.get("PGDATABASE") + "?stringtype=unspecified");
        properties.put("javax.persistence.jdbc.user", env.get("PGUSER"));
        properties.put("javax.persistence.jdbc.password", env.get("PGPASSWORD"));
        factory = Persistence.createEntityManagerFactory("shop", properties);
        insert();
        read();
        Queries.run();
        change();
        Tap.finish();
        factory.close();
    }
}
