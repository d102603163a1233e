import java.util.Date;
import javax.persistence.Column;
import javax.persistence.Entity;
import javax.persistence.GeneratedValue;
import javax.persistence.GenerationType;
import javax.persistence.Id;
import javax.persistence.Temporal;
import javax.persistence.TemporalType;

/** Says which columns are encrypted. */
@Entity
public class Customer {
    @Id
    @GeneratedValue(strategy = GenerationType.IDENTITY)
    public Long id;
    @Column(columnDefinition = "enctext('pii','equality')", nullable = false)
    public String email;
    @Column(columnDefinition = "enctext('pii','order')", unique = true)
    public String name;
    @Column(columnDefinition = "encint4('pii')")
    public int visits;
    @Column(columnDefinition = "encdate('pii')")
    @Temporal(TemporalType.DATE)
    public Date born;
}
