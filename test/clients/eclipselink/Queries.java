import java.math.BigDecimal;
import java.util.Arrays;
import java.util.Date;
import java.util.List;
import javax.persistence.Query;
import javax.persistence.TemporalType;
import javax.persistence.criteria.CriteriaBuilder;
import javax.persistence.criteria.CriteriaQuery;
import javax.persistence.criteria.Root;

/** JPQL, criteria and SQL. */
final class Queries {
    private Queries() {
    }

    /** Names in the order of id; twelve times, so that the driver and the server change their way. */
    private static void names(String name, String wanted, String condition, Object... parameters) {
        values(name, wanted.isEmpty() ? List.of() : Arrays.asList(wanted.split(",")),
                "select x.name from Person x where x.name <> 'Many' and (" + condition + ") order by x.id", parameters);
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
        groups();
        joins();
        others();
    }

    private static void conditions() {
        names("=", "Ada Lovelace", "x.email = ?1", "ada@example.org");
        names("<>", "Bob,Carl,Dora,Émile", "x.email <> ?1", "ada@example.org");
        names("in", "Bob,Dora", "x.email in ?1", Arrays.asList("dora@example.org", "bob@example.org"));
        names("in, numbers", "Ada Lovelace,Dora", "x.visits in ?1", Arrays.asList(42, 10));
        names(">= and <", "Bob,Carl", "x.name >= ?1 and x.name < ?2", "B", "D");
        names("between", "Dora,Émile", "x.visits between ?1 and ?2", 7, 20);
        names("like", "Ada Lovelace", "x.name like ?1", "Ada%");
        names("lower(), like", "Dora", "lower(x.name) like ?1", "%dor%");
        names("concat(), substring(), length()", "Dora", "concat(x.name, '!') = ?1 and length(x.name) = 4"
                + " and substring(x.name, 2, 2) = 'or'", "Dora!");
        names("locate()", "Ada Lovelace", "locate(?1, x.name) = 5", "Love");
        names("is null, or", "Bob,Carl,Dora,Émile", "x.salary is null or x.level = ?1", (short) 5);
        names("a bool", "Carl,Émile", "x.active = ?1", false);
        names("a range of dates", "Dora,Émile", "x.born >= ?1 and x.born < ?2", day("1970-01-01"), day("2000-01-01"));
        names("a date", "Ada Lovelace", "x.born = ?1", day("1815-12-10"));
        names("extract()", "Dora", "extract(year from x.born) = ?1", 1980);
        names("a timestamp", "Ada Lovelace", "x.seen between ?1 and ?2",
                java.sql.Timestamp.valueOf("2024-02-29 10:00:00"), java.sql.Timestamp.valueOf("2024-02-29 11:00:00"));
        names("a bigint", "Ada Lovelace", "x.points = ?1", 9007199254740993L);
        names("a numeric", "Ada Lovelace", "x.salary = ?1", new BigDecimal("12345.67"));
        names("a double", "Ada Lovelace", "x.score = ?1", -1.5e-7);
        names("a uuid", "Ada Lovelace", "x.ref = ?1", Main.REF);
        names("bytes", "Ada Lovelace", "x.photo = ?1", new Object[] {Main.PHOTO});
        names("arithmetic", "Dora", "x.visits * 2 + 1 = ?1 and mod(x.visits, 3) = 1 and abs(x.visits) = 10", 21);
        names("a subquery", "Ada Lovelace", "x.id in (select p.person.id from Purchase p where p.amount > ?1)",
                new BigDecimal("100"));
        names("exists", "Ada Lovelace", "exists (select p from Purchase p where p.person = x and p.paid = true)");
        values("coalesce, nullif, case", List.of("none", "Bob", "-"), "select case when x.visits > 20 then 'none'"
                + " when x.visits = 0 then coalesce(nullif(x.name, 'x'), 'y') else '-' end"
                + " from Person x where x.visits in (42, 0, -1) and x.name <> ?1 order by x.id", "Many");
    }

    private static void groups() {
        values("order by numbers, descending", List.of(42, 20, 10, 0, -1),
                "select x.visits from Person x where x.name <> ?1 order by x.visits desc", "Many");
        values("distinct", Arrays.asList((short) -7, (short) 5),
                "select distinct x.level from Person x where x.level is not null order by x.level");
        Main.check("a page", em -> Tap.same(List.of("Bob", "Carl"), em.createQuery(
                "select x.name from Person x order by x.name").setFirstResult(1).setMaxResults(2).getResultList()));
        Main.check("count, sum, avg, min, max", em -> Tap.same(
                new Object[] {5L, 71L, 14.2, "Ada Lovelace", day("1990-06-06"), new BigDecimal("12646.1700")},
                em.createQuery("select count(x), sum(x.visits), avg(x.visits), min(x.name), max(x.born), sum(x.salary)"
                        + " from Person x where x.name <> 'Many'").getSingleResult()));
        Main.check("group by, having", em -> {
            List<?> rows = em.createQuery("select x.level, count(x), max(x.name) from Person x where x.level is not null"
                    + " group by x.level having count(x) > 1").getResultList();
            Tap.same(1, rows.size());
            Tap.same(new Object[] {(short) 5, 2L, "Émile"}, rows.get(0));
        });
    }

    private static void joins() {
        values("join", List.of("Engine", "Notes"),
                "select b.title from Purchase b join b.person p where p.email = ?1 order by b.amount desc", "ada@example.org");
        Main.check("join fetch", em -> {
            Person ada = em.createQuery("select p from Person p join fetch p.purchases b where p.email = :email order by b.amount desc", Person.class)
                    .setParameter("email", "ada@example.org").getResultList().get(0);
            Tap.same(2, ada.purchases.size());
            Tap.same("Engine", ada.purchases.get(0).title);
            Tap.same(new BigDecimal("9.90"), ada.purchases.get(1).amount);
            Tap.same(true, ada.purchases.get(1).paid);
        });
        Main.check("lazy loading", em -> Tap.same(2, Main.get(em, "ada@example.org").purchases.size()));
        Main.check("criteria", em -> {
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
    }

    private static void others() {
        Main.check("SQL: types of the result", em -> Tap.same(
                new Object[] {"Ada Lovelace", -7, 42, 9007199254740993L, new BigDecimal("12345.6700"), -1.5e-7, 0.25f, true,
                    day("1815-12-10"), Main.REF, Main.PHOTO},
                em.createNativeQuery("select name, level, visits, points, salary, score, ratio, active, born, ref, photo"
                        + " from person where email = 'ada@example.org'").getSingleResult()));
        Main.check("SQL: json field, array", em -> Tap.same(0, em.createNativeQuery(
                "select name from person where doc ->> 'c' = ? and ? = any (tags)").setParameter(1, "☃").setParameter(2, "a")
                .getResultList().size()));
        Main.check("SQL: returning", em -> Tap.same(42, em.createNativeQuery(
                "update person set version = version where email = ? returning visits")
                .setParameter(1, "ada@example.org").getSingleResult()));
    }
}
