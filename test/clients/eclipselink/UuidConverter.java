import java.util.UUID;
import javax.persistence.AttributeConverter;
import javax.persistence.Converter;

/** The driver knows UUIDs; JPA has to be told so. */
@Converter
public class UuidConverter implements AttributeConverter<UUID, Object> {
    @Override
    public Object convertToDatabaseColumn(UUID value) {
        return value;
    }

    @Override
    public UUID convertToEntityAttribute(Object value) {
        return (UUID) value;
    }
}
