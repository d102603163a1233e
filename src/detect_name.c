/*-------------------------------------------------------------------------
 *
 * detect_name.c
 *	  What a column's name suggests.
 *
 * A name is taken apart into words: at underscores, before digits and where
 * camel case begins a word; accents are dropped.  A pattern below fits words
 * that follow each other, written together: "dateofbirth" fits date_of_birth,
 * DateOfBirth and DATEOFBIRTH.  A "*" at its begin or end stands for the rest
 * of a word, for languages that write compounds as one.
 *
 * Pure: no PostgreSQL header.
 *
 *-------------------------------------------------------------------------
 */
#include "detect.h"

#include <string.h>

#define NAME_MAX_BYTES 192		/* as long as names get, and accents in two
								 * letters */
#define WORDS_MAX 32

typedef struct Words
{
	char		text[NAME_MAX_BYTES + 1];	/* all words, without what parts
											 * them */
	size_t		begin[WORDS_MAX + 1];	/* where each begins; then the end */
	int			n;
} Words;

typedef struct Rule
{
	CellencKind kind;
	int			forms;			/* types of columns, as bits of CellencForm */
	bool		people;			/* in tables about people only */
	const char *patterns;		/* parted by blanks */
} Rule;

#define TEXT CELLENC_FORM_TEXT
#define NUMBER CELLENC_FORM_NUMBER
#define TIME CELLENC_FORM_TIME
#define NETWORK CELLENC_FORM_NETWORK
#define BYTES CELLENC_FORM_BYTES
#define DOCUMENT CELLENC_FORM_DOCUMENT

/* The first that fits counts.  Languages: en, de, fr, es, it, pt, pl, nl. */
static const Rule rules[] = {
	{CELLENC_KIND_NETWORK, TEXT | NETWORK, false,
		"ip *ipaddress ipaddr clientip remoteip remoteaddr lastip macaddress macaddr ipadresse ipadressen adresseip"
	" direccionip indirizzoip enderecoip adresip ipadres"},
	{CELLENC_KIND_EMAIL, TEXT | BYTES, false,
		"email* *email mail mails mailaddress mailadresse correo correoelectronico courriel adressemail postaelettronica"
	" correioeletronico poczta"},
	{CELLENC_KIND_ADDRESS, TEXT, false,
		"placeofbirth birthplace geburtsort lieunaissance lieudenaissance luogonascita luogodinascita lugarnacimiento"
	" lugardenacimiento localnascimento localdenascimento miejsceurodzenia geboorteplaats"},
	{CELLENC_KIND_BIRTH, TEXT | TIME | NUMBER, false,
		"dob birthday birthdate birth born bornon dateofbirth birthyear *geburtsdatum geburtstag geburtsjahr gebdat"
		" gebdatum geboren naissance datenaissance datedenaissance nacimiento fechanacimiento fechadenacimiento nascita"
		" datanascita datadinascita nascimento datanascimento datadenascimento urodzenia dataurodzenia geboortedatum"
	" geboortejaar"},
	{CELLENC_KIND_NATIONAL_ID, TEXT | NUMBER | BYTES, false,
		"ssn socialsecurity socialsecuritynumber nationalid nationalinsurance nino nin nhsnumber nhsno taxid taxnumber"
		" taxpayerid tin itin passport passports passportno passportnumber driverslicense driverlicense drivinglicence"
		" drivinglicense *ausweisnummer *ausweisnr personalausweis reisepass* steuerid steueridnr steuernummer steuernr"
		" idnr sozialversicherungsnummer svnr *versichertennummer versichertennr fuehrerschein* fuhrerschein* nir"
		" numerosecu numsecu securitesociale cni passeport numerofiscal numfiscal dni nie nif pasaporte cedula curp rut"
		" seguridadsocial codicefiscale codfiscale passaporto cartaidentita cpf cnh passaporte pesel nip dowod"
		" dowodosobisty numerdowodu paszport bsn burgerservicenummer sofinummer paspoort paspoortnummer rijbewijs*"
	" rijksregisternummer"},
	{CELLENC_KIND_BANK_ACCOUNT, TEXT | NUMBER | BYTES, false,
		"iban ibans *iban bankaccount bankaccountnumber accountnumber accountno routingnumber sortcode bankverbindung"
		" kontonummer kontonr rib comptebancaire numerocompte cuentabancaria numerocuenta contobancario numeroconto"
	" contacorrente contabancaria rachunek numerrachunku rachunekbankowy numerkonta *rekeningnummer bankrekening"},
	{CELLENC_KIND_CARD, TEXT | NUMBER | BYTES, false,
		"creditcard creditcardnumber cardnumber cardno ccnumber ccno ccnum pan *kreditkarte kreditkartennummer"
		" kreditkartennr cartebancaire cartecredit cartedecredit numerocarte tarjeta tarjetacredito tarjetadecredito"
		" numerotarjeta cartacredito cartadicredito numerocarta cartao cartaocredito cartaodecredito numerocartao"
	" kartakredytowa numerkarty creditcardnummer kaartnummer"},
	{CELLENC_KIND_SALARY, TEXT | NUMBER, false,
		"*salary salaries wage wages income compensation payrate grosspay netpay hourlyrate *gehalt lohn stundenlohn"
		" bruttolohn nettolohn einkommen verdienst salaire salaires remuneration revenu revenus salario salarios sueldo"
		" nomina ingresos stipendio stipendi retribuzione reddito renda remuneracao ordenado wynagrodzenie pensja zarobki"
	" dochod *salaris loon brutoloon nettoloon inkomen"},
	{CELLENC_KIND_PASSWORD, TEXT | BYTES, false,
		"password* *password passwd pwd passphrase passhash pin pinhash securityanswer secretanswer privatekey *passwort"
		" passworthash kennwort motdepasse mdp cleprivee contrasena contrasenya claveprivada chiaveprivata senha"
	" chaveprivada haslo kluczprywatny wachtwoord wachtwoordhash"},
	{CELLENC_KIND_TOKEN, TEXT | BYTES, false,
		"*token tokens apikey apikeys *secret secrets secretkey accesskey sessionid sessionkey signingkey credential"
		" credentials oauth oauth2 recoverycode recoverycodes backupcodes geheimnis jeton clesecrete cleapi secreto"
	" claveapi clavesecreta segreto chiaveapi segredo chaveapi sekret kluczapi geheim geheimesleutel"},
	{CELLENC_KIND_PHONE, TEXT | NUMBER | BYTES, false,
		"phone phones phonenumber phoneno homephone workphone mobilephone cellphone telephone mobile mobileno"
		" mobilenumber tel telno telnr fax faxnumber faxno telefax whatsapp msisdn *telefon *telefonnummer telefonnr"
		" handy handynummer handynr *mobilnummer mobil numerotelephone telephoneportable telefono movil celular cellulare"
	" numerotelefono telefone telemovel numerotelefone komorka numertelefonu *telefoon *telefoonnummer gsm gsmnummer"},
	{CELLENC_KIND_HEALTH, TEXT | NUMBER | BYTES | DOCUMENT, false,
		"diagnosis diagnoses diagnose diagnosen icd10 medicalhistory medicalrecord medicalrecords medicalrecordnumber"
		" medicalnotes medicalcondition medicalconditions healthnotes healthcondition healthrecord healthdata medication"
		" medications prescription prescriptions allergy allergies bloodtype bloodgroup disability disabilities symptom"
		" symptoms anamnesis anamnese hivstatus krankheit krankheiten krankengeschichte befund befunde medikament"
		" medikamente medikation allergien allergie blutgruppe behinderung symptome diagnostic maladie maladies"
		" antecedentsmedicaux ordonnance groupesanguin enfermedad enfermedades diagnostico medicacion alergia alergias"
		" historialmedico historiaclinica gruposanguineo malattia malattie diagnosi anamnesi farmaci grupposanguigno"
		" doenca doencas medicacao tiposanguineo choroba choroby diagnoza leki alergie grupakrwi ziekte ziektes"
	" medicatie bloedgroep"},
	{CELLENC_KIND_NAME, TEXT | BYTES, false,
		"firstname lastname fullname middlename maidenname surname surnames givenname givennames familyname forename"
		" fname lname realname personname customername contactname patientname employeename cardholder cardholdername"
		" accountholder vorname vornamen nachname nachnamen zuname familienname geburtsname kundenname mitarbeitername"
		" ansprechpartner kontoinhaber prenom prenoms nomfamille nomdefamille nomcomplet nomclient apellido apellidos"
		" nombrecompleto nombrecliente nombrepaciente cognome cognomi nomecognome nomecompleto nomecliente sobrenome"
		" apelido nomemae imie imiona nazwisko imieinazwisko imienazwisko voornaam voornamen achternaam tussenvoegsel"
	" roepnaam klantnaam volledigenaam"},
	{CELLENC_KIND_ADDRESS, TEXT | BYTES | DOCUMENT, false,
		"address addresses *address addressline street streetname postaladdress zip zipcode postcode postalcode"
		" *adresse adressen anschrift *anschrift strasse strassenname hausnummer hausnr plz postleitzahl wohnort adresse"
		" adresses rue codepostal direccion direcciones domicilio calle codigopostal indirizzo indirizzi residenza"
		" endereco enderecos logradouro rua cep adres adresy adressen ulica kodpocztowy miejscowosc straat straatnaam"
	" huisnummer woonplaats woonadres"},
	{CELLENC_KIND_NAME, TEXT | BYTES, true,
	"name names displayname nom noms nombre nombres nome nomi nomes nazwa naam namen"},
	{CELLENC_KIND_HEALTH, TEXT | DOCUMENT, true,
		"health treatment treatments behandlung behandlungen traitement traitements tratamiento trattamento tratamento"
	" leczenie behandeling"},
	{CELLENC_KIND_ADDRESS, TEXT, true,
	"city town ort stadt ville ciudad citta cidade miasto stad"},
	{CELLENC_KIND_NOTES, TEXT | BYTES | DOCUMENT, true,
		"note notes remark remarks comment comments notiz notizen bemerkung bemerkungen commentaire commentaires"
		" remarque remarques nota notas observaciones osservazioni observacoes uwagi notatki opmerking opmerkingen"
	" notities"},
};

static const char people[] =
" person persons people customer customers client clients user users employee employees staff patient patients member"
" members contact contacts student students pupil pupils applicant applicants candidate candidates subscriber"
" subscribers guest guests kunde kunden kontakt kontakte mitarbeiter benutzer nutzer patienten mitglied mitglieder"
" personen personal bewerber schueler schuler teilnehmer personne personnes utilisateur utilisateurs employe employes"
" salarie salaries adherent adherents eleve eleves candidat candidats cliente clientes usuario usuarios empleado"
" empleados paciente pacientes persona personas contacto contactos socio socios alumno alumnos clienti utente utenti"
" dipendente dipendenti paziente pazienti persone contatto contatti soci studente studenti pessoa pessoas funcionario"
" funcionarios contato contatos aluno alunos klient klienci uzytkownik uzytkownicy pracownik pracownicy pacjent"
" pacjenci osoba osoby kontakty klant klanten gebruiker gebruikers medewerker medewerkers leden lid contacten"
" contactpersonen ";

/* What follows a word makes the column one that tells about it. */
static const char about[] =
" type types typ count counts status state verified confirmed valid validated at by on until expires expiry"
" expiration format length template subject hint sent enabled required changed updated created kind class category"
" source policy flag version ";

/*
 * Words
 */

/* The small ASCII letter for a letter of two bytes of UTF-8; '\0': none is known. */
static char
without_accent(unsigned char first, unsigned char second)
{
	static const char latin1[] = "aaaaaaaceeeeiiiidnooooo ouuuuytsaaaaaaaceeeeiiiidnooooo ouuuuyty";
	static const char extended[] =
	"aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiiiiijjkkkllllllllll"
	"nnnnnnnnnoooooooorrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";
	int			i = second & 0x3f;
	char		letter = ' ';

	if ((second & 0xc0) == 0x80 && first == 0xc3)
		letter = latin1[i];
	else if ((second & 0xc0) == 0x80 && (first == 0xc4 || first == 0xc5))
		letter = extended[(first - 0xc4) * 64 + i];
	return letter == ' ' ? '\0' : letter;
}

static bool
is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool
is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_word(char c)
{
	return is_lower(c) || is_upper(c) || is_digit(c) || (unsigned char) c >= 0x80;
}

/* Does a word begin at name[i]? */
static bool
begins_word(const char *name, size_t i)
{
	char		before = i > 0 ? name[i - 1] : '_';

	if (!is_word(before) || is_digit(name[i]) != is_digit(before))
		return true;
	if (!is_upper(name[i]))
		return false;
	/* firstName, and the N of SSNNumber */
	return is_lower(before) || (is_upper(before) && is_lower(name[i + 1]));
}

static void
split(const char *name, Words *words)
{
	size_t		len = 0;

	words->n = 0;
	for (size_t i = 0; name[i] && len + 2 < NAME_MAX_BYTES; i++)
	{
		char		letter = '\0';

		if (!is_word(name[i]))
			continue;
		if (words->n < WORDS_MAX && begins_word(name, i))
			words->begin[words->n++] = len;
		if ((unsigned char) name[i] >= 0x80)
			letter = without_accent(name[i], name[i + 1]);
		if (letter != '\0')
		{
			if (strncmp(name + i, "\xc3\x9f", 2) == 0)
				words->text[len++] = 's';	/* a sharp s is two */
			words->text[len++] = letter;
			i++;
		}
		else
			words->text[len++] = is_upper(name[i]) ? name[i] - 'A' + 'a' : name[i];
	}
	words->text[len] = '\0';
	words->begin[words->n] = len;
}

/* Is word i in the list, whose entries have blanks around them? */
static bool
is_in(const Words *words, int i, const char *list)
{
	size_t		len = words->begin[i + 1] - words->begin[i];

	for (const char *p = list; (p = strchr(p, ' ')) != NULL; p++)
	{
		if (strncmp(p + 1, words->text + words->begin[i], len) == 0 && p[1 + len] == ' ')
			return true;
	}
	return false;
}

/*
 * Patterns
 */

/* Does the pattern fit words i to j - 1? */
static bool
fits_words(const char *pattern, size_t len, const Words *words, int i, int j)
{
	const char *text = words->text + words->begin[i];
	size_t		text_len = words->begin[j] - words->begin[i];
	bool		open_begin = pattern[0] == '*';
	bool		open_end = pattern[len - 1] == '*';
	size_t		extra;

	pattern += open_begin;
	len -= open_begin + open_end;
	if (text_len < len)
		return false;
	extra = text_len - len;

	/* the rest of one word, not more words */
	if (open_begin && extra < words->begin[i + 1] - words->begin[i] && strncmp(text + extra, pattern, len) == 0)
		return true;
	if (open_end && extra >= words->begin[j] - words->begin[j - 1])
		return false;
	return (extra == 0 || open_end) && strncmp(text, pattern, len) == 0;
}

static bool
fits(const char *pattern, size_t len, const Words *words)
{
	for (int i = 0; i < words->n; i++)
	{
		for (int j = i + 1; j <= words->n; j++)
		{
			if (fits_words(pattern, len, words, i, j) && (j == words->n || !is_in(words, j, about)))
				return true;
		}
	}
	return false;
}

static bool
any_fits(const char *patterns, const Words *words)
{
	for (const char *p = patterns; *p;)
	{
		size_t		len;

		p += strspn(p, " ");
		len = strcspn(p, " ");
		if (len > 0 && fits(p, len, words))
			return true;
		p += len;
	}
	return false;
}

CellencKind
cellenc_detect_name(const char *column, const char *table, CellencForm form)
{
	Words		words;
	bool		about_people = false;

	split(table, &words);
	for (int i = 0; i < words.n; i++)
		about_people = about_people || is_in(&words, i, people);

	split(column, &words);
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
	{
		if ((rules[i].forms & form) && (about_people || !rules[i].people) && any_fits(rules[i].patterns, &words))
			return rules[i].kind;
	}
	return CELLENC_KIND_NONE;
}
