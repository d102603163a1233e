import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.StringJoiner;

/** Counts checks and prints them as TAP; a check that throws has failed. */
final class Tap {
    interface Check {
        void run() throws Exception;
    }

    private final String prefix;
    private static int count;

    Tap(String prefix) {
        this.prefix = prefix;
    }

    void check(String name, Check check) {
        count++;
        try {
            check.run();
            System.out.println("ok " + count + " - " + prefix + name);
        } catch (Exception | AssertionError e) {
            System.out.println("not ok " + count + " - " + prefix + name);
            for (Throwable cause = e; cause != null; cause = cause.getCause()) {
                System.out.println("# " + String.valueOf(cause).replace("\n", "\n# "));
            }
            for (StackTraceElement at : e.getStackTrace()) {
                if (at.getClassName().indexOf('.') < 0 && !at.getClassName().equals("Tap")) {
                    System.out.println("#   at " + at);
                    break;
                }
            }
        }
    }

    static void finish() {
        System.out.println("1.." + count);
    }

    /** Both value and class; lists of equal values are the same. */
    static void same(Object wanted, Object got) {
        if (wanted instanceof List && got instanceof List) {
            same(((List<?>) wanted).toArray(), ((List<?>) got).toArray());
            return;
        }
        boolean equal = wanted instanceof Object[] && got instanceof Object[]
                ? Arrays.deepEquals((Object[]) wanted, (Object[]) got)
                : Objects.deepEquals(wanted, got);
        Class<?> wantedClass = wanted == null ? null : wanted.getClass();
        Class<?> gotClass = got == null ? null : got.getClass();
        if (!equal || wantedClass != gotClass) {
            throw new AssertionError("wanted " + show(wanted) + ", got " + show(got));
        }
    }

    private static String show(Object value) {
        if (value == null) {
            return "null";
        }
        if (value instanceof Object[]) {
            StringJoiner elements = new StringJoiner(", ", "[", "]");
            for (Object element : (Object[]) value) {
                elements.add(show(element));
            }
            return elements.toString();
        }
        String text = value instanceof byte[] ? Arrays.toString((byte[]) value)
                : value.toString();
        return value.getClass().getSimpleName() + " " + text;
    }
}
