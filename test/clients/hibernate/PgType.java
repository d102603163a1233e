import java.io.Serializable;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Types;
import java.util.Objects;
import java.util.Properties;
import org.hibernate.usertype.ParameterizedType;
import org.hibernate.usertype.UserType;
import org.postgresql.util.PGobject;

/** A type of PostgreSQL's that Hibernate does not know, as a String: what its users write for jsonb and inet. */
public final class PgType implements UserType, ParameterizedType {
    private String name;

    @Override
    public void setParameterValues(Properties parameters) {
        name = parameters.getProperty("name");
    }

    @Override
    public Object nullSafeGet(ResultSet rs, String[] names, Object owner) throws SQLException {
        PGobject value = (PGobject) rs.getObject(names[0]);
        if (value == null) {
            return null;
        }
        if (!value.getType().equals(name)) {
            throw new SQLException("type is " + value.getType() + ", expected " + name);
        }
        return value.getValue();
    }

    @Override
    public void nullSafeSet(PreparedStatement st, Object value, int index) throws SQLException {
        if (value == null) {
            st.setNull(index, Types.OTHER);
        } else {
            PGobject object = new PGobject();
            object.setType(name);
            object.setValue((String) value);
            st.setObject(index, object);
        }
    }

    @Override
    public int[] sqlTypes() {
        return new int[] {Types.OTHER};
    }

    @Override
    public Class<?> returnedClass() {
        return String.class;
    }

    @Override
    public boolean equals(Object a, Object b) {
        return Objects.equals(a, b);
    }

    @Override
    public int hashCode(Object value) {
        return value.hashCode();
    }

    @Override
    public Object deepCopy(Object value) {
        return value;
    }

    @Override
    public boolean isMutable() {
        return false;
    }

    @Override
    public Serializable disassemble(Object value) {
        return (Serializable) value;
    }

    @Override
    public Object assemble(Serializable cached, Object owner) {
        return cached;
    }

    @Override
    public Object replace(Object original, Object target, Object owner) {
        return original;
    }
}
