import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.Arrays;
import java.util.Date;
import java.util.List;
import java.util.UUID;
import javax.persistence.EntityManager;
import javax.persistence.Query;
import javax.persistence.TemporalType;
import javax.persistence.criteria.CriteriaBuilder;
import javax.persistence.criteria.CriteriaQuery;
import javax.persistence.criteria.Root;
import org.hibernate.Criteria;
import org.hibernate.ScrollMode;
import org.hibernate.ScrollableResults;
import org.hibernate.Session;
import org.hibernate.criterion.Order;
import org.hibernate.criterion.Projections;
import org.hibernate.criterion.Restrictions;

/** JPQL, JPA's criteria, Hibernate's criteria and SQL. */
final class Queries {
    private Queries() {
    }

    /** Names in the order of id; twelve times, so that the driver and the server change their way. */
    private static void names(String name, String wanted, String condition, Object... parameters) {
        values(name, wanted.isEmpty() ? List.of() : Arrays.asList(wanted.split(",")),
                "select name from Person x where name <> 'Many' and (" + condition + ") order by id", parameters);
    }

    private static void values(String name, List<?> wanted, String jpql, Object... parameters) {
        Main.check(name, em -> {
            for (int turn = 0; turn < 12; turn++) {
                Query query = em.createQuery(jpql);
                for (int i = 0; i < parameters.length; i++) {
                    if (parameters[i] instanceof java.sql.Date) {
                        query.setParameter(i + 1, (Date) parameters[i], TemporalType.DATE);
                    } else {
                        query.setParameter(i + 1, parameters[i]);
                    }
                }
                Tap.same(wanted, query.getResultList());
            }
        });
    }

    private static Date day(String day) {
        return java.sql.Date.valueOf(day);
    }

    static void run() {
        conditions();
        order();
        groups();
        joins();
        criteria();
        others();
    }

    private static void conditions() {
        names("=", "Ada Lovelace", "email = ?1", "ada@example.org");
        names("<>", "Bob,Carl,Dora,Émile", "email <> ?1", "ada@example.org");
        names("in", "Bob,Dora", "email in (?1)", Arrays.asList("dora@example.org", "bob@example.org"));
        names("in, numbers", "Ada Lovelace,Dora", "visits in (?1)", Arrays.asList(42, 10));
        names(">= and <", "Bob,Carl", "name >= ?1 and name < ?2", "B", "D");
        names("between", "Dora,Émile", "visits between ?1 and ?2", 7, 20);
        names("like", "Ada Lovelace", "name like ?1", "Ada%");
        names("lower(), like", "Dora", "lower(name) like ?1", "%dor%");
        names("concat(), substring(), length()", "Dora", "concat(name, '!') = ?1 and length(name) = 4"
                + " and substring(name, 2, 2) = 'or'", "Dora!");
        names("locate()", "Ada Lovelace", "locate(?1, name) = 5", "Love");
        names("is null, or", "Bob,Carl,Dora,Émile", "salary is null or level = ?1", (short) 5);
        names("a bool", "Carl,Émile", "active = ?1", false);
        names("not, a bool", "Carl,Émile", "not (active = true)");
        names("a range of dates", "Dora,Émile", "born >= ?1 and born < ?2", day("1970-01-01"), day("2000-01-01"));
        names("a date", "Ada Lovelace", "born = ?1", day("1815-12-10"));
        names("year()", "Dora", "year(born) = ?1", 1980);
        names("a bigint", "Ada Lovelace", "points = ?1", 9007199254740993L);
        names("a numeric", "Ada Lovelace", "salary = ?1", new BigDecimal("12345.67"));
        names("a double", "Ada Lovelace", "score = ?1", -1.5e-7);
        names("a uuid", "Ada Lovelace", "ref = ?1", UUID.fromString("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"));
        names("arithmetic", "Dora", "visits * 2 + 1 = ?1 and mod(visits, 3) = 1 and abs(visits) = 10", 21);
        names("member of a subquery", "Ada Lovelace", "id in (select p.person.id from Purchase p where p.amount > ?1)",
                new BigDecimal("100"));
        names("exists", "Ada Lovelace", "exists (select 1 from Purchase p where p.person.id = x.id and p.paid = true)");
        names("cast", "Dora", "cast(visits as string) = ?1", "10");
        Main.check("bytes", em -> Tap.same("Ada Lovelace", em.createQuery("select name from Person where photo = :photo")
                .setParameter("photo", new byte[] {0, -1, 16, 10, 0}).getSingleResult()));
        Main.check("a timestamp", em -> Tap.same("Ada Lovelace", em.createQuery(
                "select name from Person where seen between :a and :b")
                .setParameter("a", java.sql.Timestamp.valueOf("2024-02-29 10:00:00"), TemporalType.TIMESTAMP)
                .setParameter("b", java.sql.Timestamp.valueOf("2024-02-29 11:00:00"), TemporalType.TIMESTAMP)
                .getSingleResult()));
    }

    private static void order() {
        values("order by text", List.of("Ada Lovelace", "Bob", "Carl", "Dora"),
                "select name from Person where name < ?1 order by name", "E");
        values("order by numbers, descending", List.of(42, 20, 10, 0, -1),
                "select visits from Person where name <> ?1 order by visits desc", "Many");
        values("distinct", Arrays.asList((short) -7, (short) 5),
                "select distinct level from Person where level is not null order by level");
        Main.check("a page", em -> Tap.same(List.of("Bob", "Carl"), em.createQuery(
                "select name from Person order by name").setFirstResult(1).setMaxResults(2).getResultList()));
    }

    private static void groups() {
        values("count, sum", List.of(List.of(55L, 1296L)), "select new list(count(*), sum(visits)) from Person");
        values("min, max of text", List.of(List.of("Ada Lovelace", "Dora")),
                "select new list(min(name), max(name)) from Person where name < 'E'");
        values("min, max of dates", List.of(List.of(day("1815-12-10"), day("1990-06-06"))),
                "select new list(min(born), max(born)) from Person");
        values("avg, sum of numerics", List.of(List.of(4215.39, new BigDecimal("12646.1700"))),
                "select new list(avg(salary), sum(salary)) from Person");
        values("group by, having", List.of(List.of((short) 5, 2L)),
                "select new list(level, count(*)) from Person where level is not null group by level having count(*) > 1");
        values("group by a bool", List.of(List.of(false, 2L), List.of(true, 3L)),
                "select new list(active, count(*)) from Person where name <> ?1 group by active order by active", "Many");
        values("coalesce, nullif, case", List.of("none", "Bob", "-"),
                "select case when visits > 20 then 'none' when visits = 0 then coalesce(nullif(name, 'x'), 'y') else '-' end"
                + " from Person where visits in (42, 0, -1) and name <> ?1 order by id", "Many");
    }

    private static void joins() {
        values("join", List.of("Ada Lovelace: Engine", "Ada Lovelace: Notes"),
                "select p.name || ': ' || b.title from Purchase b join b.person p where p.email = ?1 order by b.amount desc",
                "ada@example.org");
        Main.check("join fetch", em -> {
            Person ada = em.createQuery("from Person p join fetch p.purchases where p.email = :email", Person.class)
                    .setParameter("email", "ada@example.org").setMaxResults(1).getSingleResult();
            em.clear();
            Tap.same(2, ada.purchases.size());
            Tap.same("Engine", ada.purchases.get(0).title);
            Tap.same(new BigDecimal("9.90"), ada.purchases.get(1).amount);
            Tap.same(true, ada.purchases.get(1).paid);
        });
        Main.check("lazy loading", em -> {
            Purchase engine = em.createQuery("from Purchase where title = 'Engine'", Purchase.class).getSingleResult();
            Tap.same("Ada Lovelace", engine.person.getName());
            em.clear();
            Tap.same(2, Main.get(em, "ada@example.org").purchases.size());
        });
        values("left join, sum", List.of(new BigDecimal("1209.90")), "select sum(b.amount) from Person p"
                + " left join p.purchases b where p.visits >= ?1 group by p.name having sum(b.amount) is not null", 42);
    }

    private static void criteria() {
        Main.check("JPA's criteria", em -> {
            CriteriaBuilder builder = em.getCriteriaBuilder();
            CriteriaQuery<Person> query = builder.createQuery(Person.class);
            Root<Person> person = query.from(Person.class);
            query.where(builder.and(builder.greaterThan(person.<Integer>get("visits"), 5),
                    builder.or(builder.isTrue(person.<Boolean>get("active")), builder.equal(person.get("level"), (short) 5)),
                    builder.notEqual(person.get("name"), "Many")));
            query.orderBy(builder.desc(person.get("visits")));
            List<Person> found = em.createQuery(query).getResultList();
            Tap.same(3, found.size());
            Tap.same("Ada Lovelace", found.get(0).name);
            Tap.same("Émile", found.get(1).name);
        });
        Main.check("Hibernate's criteria", em -> {
            Criteria criteria = em.unwrap(Session.class).createCriteria(Person.class)
                    .add(Restrictions.in("email", new String[] {"dora@example.org", "emil@example.org"}))
                    .add(Restrictions.ilike("name", "d%")).add(Restrictions.isNull("note"))
                    .add(Restrictions.between("salary", new BigDecimal("99.5"), new BigDecimal("100.5")))
                    .addOrder(Order.asc("name"));
            Tap.same("Dora", ((Person) criteria.uniqueResult()).name);
        });
        Main.check("projections", em -> {
            Object[] row = (Object[]) em.unwrap(Session.class).createCriteria(Person.class)
                    .add(Restrictions.eq("level", (short) 5))
                    .setProjection(Projections.projectionList().add(Projections.rowCount()).add(Projections.max("visits"))
                            .add(Projections.avg("visits")).add(Projections.groupProperty("level"))).uniqueResult();
            Tap.same(new Object[] {2L, 20, 15.0, (short) 5}, row);
        });
        Main.check("scroll", em -> {
            ScrollableResults rows = em.unwrap(Session.class).createQuery("select visits from Person where name = 'Many'"
                    + " order by visits").setFetchSize(10).scroll(ScrollMode.FORWARD_ONLY);
            int count = 0;
            while (rows.next()) {
                Tap.same(count++, rows.get(0));
            }
            Tap.same(50, count);
        });
    }

    private static void others() {
        Main.check("SQL: types of the result", em -> {
            Object[] row = (Object[]) em.createNativeQuery("select name, level, visits, points, salary, score, ratio, active,"
                    + " born, count(*) over () from person where email = 'ada@example.org'").getSingleResult();
            Tap.same(new Object[] {"Ada Lovelace", (short) -7, 42, new BigInteger("9007199254740993"),
                new BigDecimal("12345.6700"), -1.5e-7, 0.25f, true, day("1815-12-10"), BigInteger.ONE}, row);
        });
        Main.check("SQL: entities", em -> {
            Person dora = (Person) em.createNativeQuery("select * from person where doc is null and level = ?", Person.class)
                    .setParameter(1, 5).setMaxResults(1).getSingleResult();
            Tap.same("Dora", dora.name);
        });
        Main.check("SQL: json field", em -> Tap.same("Ada Lovelace", em.createNativeQuery(
                "select name from person where doc ->> 'c' = :value").setParameter("value", "☃").getSingleResult()));
        Main.check("SQL: returning", em -> Tap.same(42, em.createNativeQuery(
                "update person set version = version where email = :email returning visits")
                .setParameter("email", "ada@example.org").getSingleResult()));
    }
}
