/*-------------------------------------------------------------------------
 *
 * test_detect.c
 *	  Kinds of values and names: true ones, and those that only look like it.
 *
 * All numbers are made up, or are the specimens of those who issue them.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "detect.h"
#include "testlib.h"

static void
check_value(const char *value, CellencKind expected)
{
	size_t		len = strlen(value);
	char	   *copy = (char *) exact_copy((const uint8_t *) value, len);
	CellencKind kind = cellenc_detect_value(copy, len);

	if (!ok(kind == expected, "%s: %s", value, cellenc_detect_label(expected)))
		diag("taken for %s", cellenc_detect_label(kind));
	free(copy);
}

static void
check_values(CellencKind kind, const char *const values[])
{
	for (int i = 0; values[i]; i++)
		check_value(values[i], kind);
}

#define ALL(kind, ...) check_values(kind, (const char *const[]) {__VA_ARGS__, NULL})

static void
check_names(CellencKind kind, const char *table, CellencForm form, const char *const names[])
{
	for (int i = 0; names[i]; i++)
	{
		CellencKind got = cellenc_detect_name(names[i], table, form);

		if (!ok(got == kind, "%s.%s: %s", table, names[i], cellenc_detect_label(kind)))
			diag("taken for %s", cellenc_detect_label(got));
	}
}

#define NAMES(kind, table, form, ...) check_names(kind, table, form, (const char *const[]) {__VA_ARGS__, NULL})

static void
test_reach(void)
{
	ALL(CELLENC_KIND_EMAIL, "zoe@example.org", " o'neil+x@mail.example.co.uk\n", "\xc3\xbcnal@b\xc3\xbc" "cher.example", "a@b.co");
	ALL(CELLENC_KIND_NONE, "", " ", "@", "zoe@example", "@example.org", "zoe@", "zoe.@example.org", "z..oe@example.org",
		"zoe@-example.org", "zoe@example..org", "zoe@example.org.", "zoe@1.2.3.4", "write to zoe@example.org", "zoe@@example.org",
		"zoe@exa_mple.org", "zoe@example.o");

	ALL(CELLENC_KIND_PHONE, "+49 30 1234567", "+33142685300", "0049 30 1234567", "030/1234567", "0301234567", "0041 44 123 45 67", "(212) 555-0123",
		"212-555-0123", "212.555.0123", "1-212-555-0123", "+1 (212) 555-0123", "06 12 34 56 78");
	ALL(CELLENC_KIND_NONE, "+", "+1234567", "+0301234567", "1234567890", "212-555", "01.02.2003", "2020-01-02", "0.1234567891",
		"00012345", "000012345678", "112-555-0123", "212-155-0123", "+12345678901234567", "tel 0301234567", "20-200-20200", "078 051 120");

	ALL(CELLENC_KIND_NETWORK, "192.168.0.1", "8.8.8.8");
	ALL(CELLENC_KIND_NONE, "1.2.3", "1.2.3.256", "1.2.3.4.5", "1.2.3.", "1.2.3.04", "v1.2.3.4");
}

static void
test_money(void)
{
	ALL(CELLENC_KIND_BANK_ACCOUNT, "DE89 3704 0044 0532 0130 00", "GB82WEST12345698765432", "FR1420041010050500013M02606",
		"nl91abna0417164300", "NO9386011117947", "MT84MALT011000012345MTLCAST001S");
	ALL(CELLENC_KIND_NONE, "DE88370400440532013000", "GB82WEST1234569876543", "XX89370400440532013000", "DE89", "DE8937040044053201300O",
		"DE89_3704_0044_0532_0130_00");
	ALL(CELLENC_KIND_CARD, "4111 1111 1111 1111", "5555-5555-5555-4444", "378282246310005", "6011111111111117", "3530111333300000",
		"2223003122003222", "30569309025904", "4222222222222");
	ALL(CELLENC_KIND_NONE, "4111111111111112", "411111111111111", "1111111111111117", "9999999999999995", "4111111111111111 1111",
		"4111_1111_1111_1111");
}

static void
test_national_ids(void)
{
	ALL(CELLENC_KIND_NATIONAL_ID, "078-05-1120", "219-09-9999");
	ALL(CELLENC_KIND_NONE, "000-05-1120", "666-05-1120", "900-05-1120", "078-00-1120", "078-05-0000", "078-051-120", "78-05-1120");
	/* United Kingdom */
	ALL(CELLENC_KIND_NATIONAL_ID, "AB123456C", "ab 12 34 56 c");
	ALL(CELLENC_KIND_NONE, "QQ123456C", "AB123456E", "GB123456A", "AO123456A", "AB12345C");
	/* France; the last two in Corsica */
	ALL(CELLENC_KIND_NATIONAL_ID, "2 55 08 14 168 025 38", "255081416802538", "185072A00412388", "185072B00412318");
	ALL(CELLENC_KIND_NONE, "255081416802539", "955081416802538", "255131416802538", "185072C00412388", "25508141680253");
	/* Spain */
	ALL(CELLENC_KIND_NATIONAL_ID, "12345678Z", "12345678-z", "X1234567L", "Z1234567R");
	ALL(CELLENC_KIND_NONE, "12345678A", "X1234567R", "W1234567L", "1234567Z");
	/* Poland */
	ALL(CELLENC_KIND_NATIONAL_ID, "44051401359", "02210101238");
	ALL(CELLENC_KIND_NONE, "44051401358", "44131401350", "4405140135", "44051401359 0");
	/* Italy; the second with a letter for a digit */
	ALL(CELLENC_KIND_NATIONAL_ID, "RSSMRA85T10A562S", "rssmra85t10a5s2e");
	ALL(CELLENC_KIND_NONE, "RSSMRA85T10A562T", "RSSMRA85F10A562R", "RSSMRA85T10A56S", "RSSMRA85T10A5622");
	/* Brazil */
	ALL(CELLENC_KIND_NATIONAL_ID, "111.444.777-35", "52998224725");
	ALL(CELLENC_KIND_NONE, "111.444.777-36", "11111111111", "52998224752");
	/* Germany */
	ALL(CELLENC_KIND_NATIONAL_ID, "86095742719", "47 036 892 816", "65929970489");
	ALL(CELLENC_KIND_NONE, "86095742718", "12345678903", "8609574271");
	/* Netherlands */
	ALL(CELLENC_KIND_NATIONAL_ID, "111222333", "123456782");
	ALL(CELLENC_KIND_NONE, "111222334", "12345678", "000000000");
}

#define B64_40 "q8Zr3vT1xKc9LmW2yBn7QdF5hJg4sPu6aEwR0tYi"

static void
test_secrets(void)
{
	/* of RFC 7519 */
	ALL(CELLENC_KIND_TOKEN, "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODB9"
		".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UifQ.");
	ALL(CELLENC_KIND_NONE, "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UifQ", "eyJ.eyJ.x", "eyJhbGciOiJub25lIn0 and.eyJpc3MiOiJqb2UifQ.");
	ALL(CELLENC_KIND_PASSWORD, "-----BEGIN PRIVATE KEY-----\nMIIE", "-----BEGIN RSA PRIVATE KEY-----\nMIIE",
		"-----BEGIN OPENSSH PRIVATE KEY-----");
	ALL(CELLENC_KIND_NONE, "-----BEGIN PUBLIC KEY-----\nMIIE", "-----BEGIN CERTIFICATE-----");
	ALL(CELLENC_KIND_PASSWORD, "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
		"$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b4dWRWJTmaaJObG", "pbkdf2_sha256$600000$abc$defghijklmnopq",
		"SCRAM-SHA-256$4096:abcdefghijklmnop");
	ALL(CELLENC_KIND_NONE, "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9", "$argon2id$", "$5$ for a coffee",
		"$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi Ss7KIUgO2t0jWMUW");
	ALL(CELLENC_KIND_TOKEN, "ghp_abcdefghijklmnopqrst", "sk_test_aaaaaaaaaaaaaaaa", B64_40, B64_40 "==",
		"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b", "9F86D081884C7D659A2F");
	ALL(CELLENC_KIND_NONE, "ghp_short", "a" B64_40 " b", "9f86d081884c7d659a2", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaa1b",
		"123e4567-e89b-42d3-a456-426614174000", "CamelCaseIdentifier2020Name", "my-product-name-in-2020-again",
		"/usr/share/doc/README2020", "12345678901234567890", "Donaudampfschifffahrtsgesellschaft",
		"SELECT1FROM2WHERE3ORDER4", "The quick brown fox jumps 12 times");
}

/* Every start of every value: none of them reads too far. */
static void
test_prefixes(void)
{
	static const char *const values[] = {
		"zoe@example.org", "+49 30 1234567", "GB82WEST12345698765432", "4111 1111 1111 1111", "078-05-1120",
		"2 55 08 14 168 025 38", "RSSMRA85T10A562S", "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
		"eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UifQ.", "-----BEGIN RSA PRIVATE KEY-----", "192.168.0.1", "(212) 555-0123",
		"$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$RdescudvJCsg", B64_40, "SCRAM-SHA-256$4096:abcdefghijklmnop"
	};
	int			n = 0;

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
	{
		for (size_t len = 0; len <= strlen(values[i]); len++)
		{
			char	   *copy = (char *) exact_copy((const uint8_t *) values[i], len);

			n += cellenc_detect_value(copy, len) != CELLENC_KIND_NONE;
			free(copy);
		}
	}
	ok(n > 15, "starts of values");
	ok(cellenc_detect_value("a\0b@example.org", 15) == CELLENC_KIND_NONE, "a zero byte");
}

static void
test_names(void)
{
	NAMES(CELLENC_KIND_EMAIL, "t", CELLENC_FORM_TEXT, "email", "E-Mail", "e_mail", "userEmail", "customeremail", "email2",
		  "EMAIL_ADDRESS", "contact_email_address", "emails", "correo_electronico", "courriel", "Mailadresse");
	NAMES(CELLENC_KIND_NONE, "t", CELLENC_FORM_TEXT, "email_verified", "email_template", "emailType", "mail_subject", "female",
		  "", "_", "id", "status");
	NAMES(CELLENC_KIND_NONE, "t", CELLENC_FORM_TIME, "email", "password_reset", "salary");
	NAMES(CELLENC_KIND_PHONE, "t", CELLENC_FORM_TEXT, "phone", "phone_1", "mobileNumber", "Privattelefon", "telefonnummer",
		  "t\xc3\xa9l", "tel\xc3\xa9" "fono", "fax", "numer_telefonu", "telefoonnummer", "celular");
	NAMES(CELLENC_KIND_NONE, "t", CELLENC_FORM_TEXT, "phonetic", "phone_type", "telemetry", "hotel", "microphone");
	NAMES(CELLENC_KIND_BIRTH, "t", CELLENC_FORM_TIME, "dob", "birth_date", "DateOfBirth", "Geburtsdatum", "date_naissance",
		  "fecha_de_nacimiento", "data_nascita", "data_nascimento", "data_urodzenia", "geboortedatum");
	NAMES(CELLENC_KIND_NONE, "t", CELLENC_FORM_TIME, "created_at", "date", "updated");
	NAMES(CELLENC_KIND_NATIONAL_ID, "t", CELLENC_FORM_TEXT, "ssn", "SSN", "national_id", "passport_no", "Steuer-ID",
		  "sozialversicherungsnummer", "num_s\xc3\xa9" "cu", "DNI", "codiceFiscale", "cpf", "pesel", "BSN");
	NAMES(CELLENC_KIND_NONE, "t", CELLENC_FORM_TEXT, "session", "assignee", "bsnx", "ssn_type");
	NAMES(CELLENC_KIND_BANK_ACCOUNT, "t", CELLENC_FORM_TEXT, "iban", "bank_account_number", "Kontonummer", "num\xc3\xa9ro_compte",
		  "cuenta_bancaria", "rachunek", "rekeningnummer");
	NAMES(CELLENC_KIND_CARD, "t", CELLENC_FORM_TEXT, "card_number", "creditCard", "Kreditkarte", "carte_bancaire", "tarjeta",
		  "carta_di_credito", "cart\xc3\xa3o", "numer_karty");
	NAMES(CELLENC_KIND_SALARY, "t", CELLENC_FORM_NUMBER, "salary", "base_salary", "Grundgehalt", "salaire", "sueldo", "stipendio",
		  "sal\xc3\xa1rio", "wynagrodzenie", "salaris");
	NAMES(CELLENC_KIND_PASSWORD, "t", CELLENC_FORM_TEXT, "password", "password_hash", "userpassword", "Passwort", "mot_de_passe",
		  "contrase\xc3\xb1" "a", "senha", "has\xc5\x82o", "wachtwoord");
	NAMES(CELLENC_KIND_NONE, "t", CELLENC_FORM_TEXT, "password_hint", "passenger", "spin");
	NAMES(CELLENC_KIND_TOKEN, "t", CELLENC_FORM_TEXT, "token", "access_token", "refreshtoken", "apiKey", "client_secret", "jeton");
	NAMES(CELLENC_KIND_NONE, "t", CELLENC_FORM_TEXT, "token_type", "tokenized", "secretary");
	NAMES(CELLENC_KIND_NETWORK, "t", CELLENC_FORM_TEXT, "ip", "ip_address", "clientIp", "adresse_ip", "macAddress");
	NAMES(CELLENC_KIND_NONE, "t", CELLENC_FORM_TEXT, "ship", "zipper", "description");
	NAMES(CELLENC_KIND_ADDRESS, "t", CELLENC_FORM_TEXT, "address", "address_line_1", "homeAddress", "Stra\xc3\x9f" "e", "plz",
		  "code_postal", "direcci\xc3\xb3n", "indirizzo", "endere\xc3\xa7o", "ulica", "woonplaats", "geburtsort");
	NAMES(CELLENC_KIND_NAME, "t", CELLENC_FORM_TEXT, "first_name", "lastName", "surname", "Vorname", "pr\xc3\xa9nom", "apellidos",
		  "cognome", "sobrenome", "imi\xc4\x99", "achternaam");
	NAMES(CELLENC_KIND_HEALTH, "t", CELLENC_FORM_TEXT, "diagnosis", "blood_type", "Krankengeschichte", "maladie", "alergias",
		  "malattie", "doen\xc3\xa7" "a", "choroba", "ziekte");

	/* words that say something in tables about people only */
	NAMES(CELLENC_KIND_NAME, "customers", CELLENC_FORM_TEXT, "name", "nom");
	NAMES(CELLENC_KIND_NOTES, "Patienten", CELLENC_FORM_TEXT, "notes", "Bemerkungen");
	NAMES(CELLENC_KIND_HEALTH, "app_patients", CELLENC_FORM_TEXT, "treatment");
	NAMES(CELLENC_KIND_ADDRESS, "U\xc5\xbcytkownicy", CELLENC_FORM_TEXT, "city", "miasto");
	NAMES(CELLENC_KIND_NONE, "products", CELLENC_FORM_TEXT, "name", "notes", "treatment", "city", "health");
	NAMES(CELLENC_KIND_NONE, "personalities", CELLENC_FORM_TEXT, "name");

	/* longer than names get */
	NAMES(CELLENC_KIND_NONE, "t", CELLENC_FORM_TEXT,
		  "a_b_c_d_e_f_g_h_i_j_k_l_m_n_o_p_q_r_s_t_u_v_w_x_y_z_a_b_c_d_e_f_g_h_i_j_k_l_m_n_o_p_q_r_s_t_u_v_w_x_y_z"
		  "_a_b_c_d_e_f_g_h_i_j_k_l_m_n_o_p_q_r_s_t_u_v_w_x_y_z_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
}

int
main(void)
{
	test_reach();
	test_money();
	test_national_ids();
	test_secrets();
	test_prefixes();
	test_names();
	return done_testing();
}
