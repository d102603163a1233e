import java.io.Serializable;
import java.sql.Array;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Types;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Properties;
import org.hibernate.usertype.ParameterizedType;
import org.hibernate.usertype.UserType;

/** An array as a List. */
public final class ArrayType implements UserType, ParameterizedType {
    private String element;

    @Override
    public void setParameterValues(Properties parameters) {
        element = parameters.getProperty("element");
    }

    @Override
    public Object nullSafeGet(ResultSet rs, String[] names, Object owner) throws SQLException {
        Array array = rs.getArray(names[0]);
        return array == null ? null : new ArrayList<>(Arrays.asList((Object[]) array.getArray()));
    }

    @Override
    public void nullSafeSet(PreparedStatement st, Object value, int index) throws SQLException {
        if (value == null) {
            st.setNull(index, Types.ARRAY);
        } else {
            st.setArray(index, st.getConnection().createArrayOf(element, ((List<?>) value).toArray()));
        }
    }

    @Override
    public int[] sqlTypes() {
        return new int[] {Types.ARRAY};
    }

    @Override
    public Class<?> returnedClass() {
        return List.class;
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
        return value == null ? null : new ArrayList<>((List<?>) value);
    }

    @Override
    public boolean isMutable() {
        return true;
    }

    @Override
    public Serializable disassemble(Object value) {
        return (Serializable) deepCopy(value);
    }

    @Override
    public Object assemble(Serializable cached, Object owner) {
        return deepCopy(cached);
    }

    @Override
    public Object replace(Object original, Object target, Object owner) {
        return deepCopy(original);
    }
}
