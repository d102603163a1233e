import java.math.BigDecimal;
import java.util.Date;
import javax.persistence.Entity;
import javax.persistence.FetchType;
import javax.persistence.GeneratedValue;
import javax.persistence.GenerationType;
import javax.persistence.Id;
import javax.persistence.JoinColumn;
import javax.persistence.ManyToOne;
import javax.persistence.Temporal;
import javax.persistence.TemporalType;

@Entity
public class Purchase {
    @Id
    @GeneratedValue(strategy = GenerationType.IDENTITY)
    public Long id;
    @ManyToOne(fetch = FetchType.LAZY)
    @JoinColumn(name = "person_id")
    public Person person;
    public String title;
    public BigDecimal amount;
    public boolean paid;
    @Temporal(TemporalType.TIMESTAMP)
    public Date at;

    public Purchase() {
    }

    // not public: newer compilers warn of a constructor that gives "this" away to subclasses elsewhere
    Purchase(Person person, String title, String amount, boolean paid) {
        this.person = person;
        this.title = title;
        this.amount = new BigDecimal(amount);
        this.paid = paid;
        person.purchases.add(this);
    }
}
