import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;
import java.util.UUID;
import javax.persistence.Column;
import javax.persistence.Entity;
import javax.persistence.GeneratedValue;
import javax.persistence.GenerationType;
import javax.persistence.Id;
import javax.persistence.NamedQuery;
import javax.persistence.OneToMany;
import javax.persistence.OrderBy;
import javax.persistence.Temporal;
import javax.persistence.TemporalType;
import javax.persistence.Version;
import org.hibernate.annotations.Generated;
import org.hibernate.annotations.GenerationTime;
import org.hibernate.annotations.Parameter;
import org.hibernate.annotations.Type;

@Entity
@NamedQuery(name = "byEmail", query = "from Person where email = :email")
public class Person {
    @Id
    @GeneratedValue(strategy = GenerationType.IDENTITY)
    public Long id;
    public String email;
    public String name;
    public String note;
    public Short level;
    public int visits;
    public Long points;
    public BigDecimal salary;
    public Double score;
    public Float ratio;
    public boolean active = true;
    @Temporal(TemporalType.DATE)
    public Date born;
    @Temporal(TemporalType.TIME)
    public Date wakes;
    @Temporal(TemporalType.TIMESTAMP)
    public Date seen;
    @Temporal(TemporalType.TIMESTAMP)
    public Date local;
    @Type(type = "pg-uuid")
    public UUID ref;
    @Type(type = "PgType", parameters = @Parameter(name = "name", value = "jsonb"))
    public String doc;
    public byte[] photo;
    @Type(type = "PgType", parameters = @Parameter(name = "name", value = "inet"))
    public String address;
    @Type(type = "ArrayType", parameters = @Parameter(name = "element", value = "text"))
    public List<String> tags;
    @Type(type = "ArrayType", parameters = @Parameter(name = "element", value = "int4"))
    public List<Integer> lucky;
    @Generated(GenerationTime.INSERT)
    @Temporal(TemporalType.TIMESTAMP)
    @Column(name = "created_at", insertable = false, updatable = false)
    public Date createdAt;
    @Version
    public int version;
    @OneToMany(mappedBy = "person", cascade = javax.persistence.CascadeType.ALL)
    @OrderBy("amount desc")
    public List<Purchase> purchases = new ArrayList<>();

    public Person() {
    }

    public Person(String email, String name, int visits) {
        this.email = email;
        this.name = name;
        this.visits = visits;
    }

    public String getName() {
        return name;
    }
}
