import javax.persistence.Column;
import javax.persistence.Entity;
import javax.persistence.GeneratedValue;
import javax.persistence.GenerationType;
import javax.persistence.Id;
import javax.persistence.Table;

/** The same table, with a column more, and with one it does not know to be encrypted. */
@Entity
@Table(name = "customer")
public class GrownCustomer {
    @Id
    @GeneratedValue(strategy = GenerationType.IDENTITY)
    public Long id;
    public String email;
    @Column(columnDefinition = "enctext('other')")
    public String note;
}
