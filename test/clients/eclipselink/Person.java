import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;
import java.util.UUID;
import javax.persistence.CascadeType;
import javax.persistence.Convert;
import javax.persistence.Entity;
import javax.persistence.GeneratedValue;
import javax.persistence.GenerationType;
import javax.persistence.Id;
import javax.persistence.OneToMany;
import javax.persistence.OrderBy;
import javax.persistence.Temporal;
import javax.persistence.TemporalType;
import javax.persistence.Version;

@Entity
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
    @Convert(converter = UuidConverter.class)
    public UUID ref;
    public byte[] photo;
    @Version
    public int version;
    @OneToMany(mappedBy = "person", cascade = CascadeType.ALL)
    @OrderBy("amount desc")
    public List<Purchase> purchases = new ArrayList<>();

    public Person() {
    }

    public Person(String email, String name, int visits) {
        this.email = email;
        this.name = name;
        this.visits = visits;
    }
}
