/*-------------------------------------------------------------------------
 *
 * detect.c
 *	  What single values look like.
 *
 * Each check takes a whole value, so a mail address in the middle of a text is
 * none.  Where a kind has check digits, they decide; where it has none, the
 * form has to be one that other numbers rarely have.  No table of values is
 * kept, and nothing of a value leaves this file but its kind.
 *
 * Pure: no PostgreSQL header.
 *
 *-------------------------------------------------------------------------
 */
#include "detect.h"

#include <stdint.h>
#include <string.h>

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

static bool
is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool
is_letter(char c)
{
	return is_upper(c) || is_lower(c);
}

static bool
is_one_of(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

/* Part of a multibyte character; those count as letters in mail addresses. */
static bool
is_multibyte(char c)
{
	return (unsigned char) c >= 0x80;
}

static char
to_upper(char c)
{
	return is_lower(c) ? c - 'a' + 'A' : c;
}

static int
number(const char *digits, int n)
{
	int			result = 0;

	while (n-- > 0)
		result = result * 10 + (*digits++ - '0');
	return result;
}

static bool
all_digits(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
	{
		if (!is_digit(s[i]))
			return false;
	}
	return len > 0;
}

static bool
starts_with(const char *s, size_t len, const char *prefix)
{
	size_t		n = strlen(prefix);

	return len >= n && memcmp(s, prefix, n) == 0;
}

static bool
contains(const char *s, size_t len, const char *part)
{
	size_t		n = strlen(part);

	for (size_t i = 0; i + n <= len; i++)
	{
		if (memcmp(s + i, part, n) == 0)
			return true;
	}
	return false;
}

/*
 * Letters and digits of a value, in upper case, without what is written between
 * groups of them.
 */
#define COMPACT_MAX 34			/* the longest IBAN */

typedef struct Compact
{
	char		s[COMPACT_MAX + 1];
	size_t		len;
	bool		digits;			/* nothing but digits */
} Compact;

/* False where the value has other characters or is too long. */
static bool
compact(const char *value, size_t len, Compact *c)
{
	c->len = 0;
	for (size_t i = 0; i < len; i++)
	{
		if (is_letter(value[i]) || is_digit(value[i]))
		{
			if (c->len == COMPACT_MAX)
				return false;
			c->s[c->len++] = to_upper(value[i]);
		}
		else if (i == 0 || i == len - 1 || !is_one_of(value[i], " -./"))
			return false;
	}
	c->s[c->len] = '\0';
	c->digits = all_digits(c->s, c->len);
	return true;
}

/*
 * Ways to reach somebody
 */

static bool
is_mail_domain(const char *s, size_t len)
{
	size_t		label = 0;		/* where it begins */
	bool		dot = false;

	for (size_t i = 0; i <= len; i++)
	{
		if (i < len && s[i] != '.')
		{
			if (!is_letter(s[i]) && !is_digit(s[i]) && !is_multibyte(s[i]) && s[i] != '-')
				return false;
			continue;
		}
		if (i == label || s[label] == '-' || s[i - 1] == '-')
			return false;
		if (i == len)
			break;
		label = i + 1;
		dot = true;
	}
	return dot && len - label >= 2 && !is_digit(s[label]);
}

static bool
is_email(const char *s, size_t len)
{
	const char *at = memchr(s, '@', len);
	size_t		local = at ? at - s : 0;

	if (local < 1 || local > 64 || len > 254 || s[0] == '.' || s[local - 1] == '.')
		return false;
	for (size_t i = 0; i < local; i++)
	{
		if (s[i] == '.' && s[i + 1] == '.')
			return false;
		if (!is_letter(s[i]) && !is_digit(s[i]) && !is_multibyte(s[i]) &&
			!is_one_of(s[i], ".!#$%&'*+/=?^_`{|}~-"))
			return false;
	}
	return is_mail_domain(at + 1, len - local - 1);
}

/*
 * Written for people: with a country's code, or with a leading zero, or grouped
 * as in North America.  Any other row of digits may be a number of anything.
 */
static bool
is_phone(const char *s, size_t len)
{
	char		digits[15];
	size_t		n = 0;
	bool		grouped = false;

	for (size_t i = 0; i < len; i++)
	{
		if (is_digit(s[i]))
		{
			if (n == sizeof(digits))
				return false;
			digits[n++] = s[i];
		}
		else if (i > 0 && is_one_of(s[i], " -./()"))
			grouped = true;
		else if (i > 0 || !is_one_of(s[i], "+("))
			return false;
	}
	if (n < 8 || (s[0] == '0' && !is_digit(s[1])))
		return false;
	if (s[0] == '+')
		return digits[0] != '0';
	if (digits[0] == '0' && digits[1] == '0')
		return n >= 10 && digits[2] != '0';
	if (digits[0] == '0')
		return n >= 10 && n <= (grouped ? 12 : 11);
	if (n == 11 && digits[0] == '1' && grouped)
		return digits[1] >= '2' && digits[4] >= '2';

	/* (212) 555-0123, 212-555-0123, 212.555.0123 */
	if (n == 10 && digits[0] >= '2' && digits[3] >= '2')
		return (s[0] == '(' && len > 4 && s[4] == ')') || (len == 12 && !is_digit(s[3]) && !is_digit(s[7]));
	return false;
}

static bool
is_network_address(const char *s, size_t len)
{
	int			parts = 0;
	size_t		begin = 0;

	for (size_t i = 0; i <= len; i++)
	{
		if (i < len && s[i] != '.')
			continue;
		if (i == begin || i - begin > 3 || !all_digits(s + begin, i - begin) ||
			number(s + begin, i - begin) > 255 || (i - begin > 1 && s[begin] == '0'))
			return false;
		parts++;
		begin = i + 1;
	}
	return parts == 4;
}

/*
 * Money
 */

static const char iban_lengths[] =
"AD24AE23AL28AT20AZ28BA20BE16BG22BH22BR29BY28CH21CR22CY28CZ24DE22DK18DO28EE20EG29ES24FI18FO18FR27"
"GB22GE22GI23GL18GR27GT28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27"
"MD24ME22MK19MR27MT31MU30NL18NO15PK24PL28PS29PT25QA29RO24RS22SA24SC31SE24SI19SK24SM27ST25SV28TL23"
"TN24TR26UA29VA22VG24XK20";

static bool
is_iban(const Compact *c)
{
	int			rest = 0;

	if (c->len < 15 || !is_letter(c->s[0]) || !is_letter(c->s[1]) || !all_digits(c->s + 2, 2))
		return false;
	for (const char *p = iban_lengths;; p += 4)
	{
		if (*p == '\0')
			return false;
		if (memcmp(p, c->s, 2) == 0)
		{
			if ((size_t) number(p + 2, 2) != c->len)
				return false;
			break;
		}
	}

	/* ISO 7064 mod 97-10, of the number that begins after the check digits */
	for (size_t i = 0; i < c->len; i++)
	{
		char		ch = c->s[(i + 4) % c->len];

		rest = is_digit(ch) ? (rest * 10 + (ch - '0')) % 97 : (rest * 100 + (ch - 'A' + 10)) % 97;
	}
	return rest == 1;
}

static bool
passes_luhn(const Compact *c)
{
	int			sum = 0;

	for (size_t i = 0; i < c->len; i++)
	{
		int			digit = c->s[c->len - 1 - i] - '0';

		if (i % 2 == 1)
			digit = digit * 2 > 9 ? digit * 2 - 9 : digit * 2;
		sum += digit;
	}
	return sum % 10 == 0;
}

static bool
is_card(const Compact *c)
{
	static const struct
	{
		int			first,
					last;		/* the number's first four digits */
		size_t		shortest,
					longest;
	}			issuers[] =
	{
		{2221, 2720, 16, 16}, {3000, 3059, 14, 14}, {3400, 3499, 15, 15}, {3528, 3589, 16, 19},
		{3600, 3699, 14, 14}, {3700, 3799, 15, 15}, {3800, 3999, 14, 14}, {4000, 4999, 16, 16},
		{4000, 4999, 13, 13}, {4000, 4999, 19, 19}, {5018, 5018, 12, 19}, {5020, 5020, 12, 19},
		{5038, 5038, 12, 19}, {5100, 5599, 16, 16}, {5893, 5893, 12, 19}, {6011, 6011, 16, 19},
		{6200, 6299, 16, 19}, {6304, 6304, 12, 19}, {6440, 6599, 16, 19}, {6759, 6759, 12, 19},
		{6761, 6763, 12, 19},
	};

	if (!c->digits || c->len < 12)
		return false;
	for (size_t i = 0; i < sizeof(issuers) / sizeof(issuers[0]); i++)
	{
		int			prefix = number(c->s, 4);

		if (prefix >= issuers[i].first && prefix <= issuers[i].last &&
			c->len >= issuers[i].shortest && c->len <= issuers[i].longest)
			return passes_luhn(c);
	}
	return false;
}

/*
 * Numbers of persons
 */

static int
weighted_sum(const char *digits, const char *weights)
{
	int			sum = 0;

	for (; *weights; weights++)
		sum += (*digits++ - '0') * (*weights - '0');
	return sum;
}

/* United States: no check digit, so the form with hyphens only. */
static bool
is_ssn(const char *s, size_t len)
{
	int			area;

	if (len != 11 || s[3] != '-' || s[6] != '-' || !all_digits(s, 3) || !all_digits(s + 4, 2) ||
		!all_digits(s + 7, 4))
		return false;
	area = number(s, 3);
	return area != 0 && area != 666 && area < 900 && number(s + 4, 2) != 0 && number(s + 7, 4) != 0;
}

/* United Kingdom: national insurance number, which has no check digit. */
static bool
is_nino(const Compact *c)
{
	static const char *const unused[] = {"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"};

	if (c->len != 9 || !is_letter(c->s[0]) || !is_letter(c->s[1]) || !all_digits(c->s + 2, 6) ||
		c->s[8] < 'A' || c->s[8] > 'D' || is_one_of(c->s[0], "DFIQUV") || is_one_of(c->s[1], "DFIOQUV"))
		return false;
	for (size_t i = 0; i < sizeof(unused) / sizeof(unused[0]); i++)
	{
		if (memcmp(c->s, unused[i], 2) == 0)
			return false;
	}
	return true;
}

/* France: numéro de sécurité sociale, with its key. */
static bool
is_nir(const Compact *c)
{
	int			month;
	int64_t		value = 0;
	bool		corsica = c->len == 15 && c->s[5] == '2' && (c->s[6] == 'A' || c->s[6] == 'B');

	if (c->len != 15 || !is_one_of(c->s[0], "123478"))
		return false;
	for (size_t i = 0; i < 15; i++)
	{
		if (!is_digit(c->s[i]) && !(corsica && i == 6))
			return false;
	}
	month = number(c->s + 3, 2);
	if (month == 0 || (month > 12 && month < 20) || (month > 42 && month < 50))
		return false;
	for (size_t i = 0; i < 13; i++)
	{
		/* 2A counts as 19, 2B as 18 */
		if (corsica && i == 5)
			value = value * 10 + 1;
		else if (corsica && i == 6)
			value = value * 10 + (c->s[6] == 'A' ? 9 : 8);
		else
			value = value * 10 + (c->s[i] - '0');
	}
	return number(c->s + 13, 2) == (int) (97 - value % 97);
}

/* Spain: DNI, and NIE of foreigners. */
static bool
is_dni(const Compact *c)
{
	static const char letters[] = "TRWAGMYFPDXBNJZSQVHLCKE";
	char		digits[8];

	if (c->len != 9 || !all_digits(c->s + 1, 7) || !is_letter(c->s[8]))
		return false;
	memcpy(digits, c->s, 8);
	if (c->s[0] >= 'X' && c->s[0] <= 'Z')
		digits[0] = '0' + (c->s[0] - 'X');
	return is_digit(digits[0]) && c->s[8] == letters[number(digits, 8) % 23];
}

/* Poland: PESEL; the century is in the month. */
static bool
is_pesel(const Compact *c)
{
	int			month;
	int			day;

	if (c->len != 11 || !c->digits)
		return false;
	month = number(c->s + 2, 2) % 20;
	day = number(c->s + 4, 2);
	if (month < 1 || month > 12 || day < 1 || day > 31)
		return false;
	return (10 - weighted_sum(c->s, "1379137913") % 10) % 10 == c->s[10] - '0';
}

/* Italy: codice fiscale; letters stand for digits where two would be equal. */
static bool
is_codice_fiscale(const Compact *c)
{
	static const char form[] = "AAAAAA00A00A000A";
	static const char odd[] = {
		1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23
	};
	int			sum = 0;

	if (c->len != 16)
		return false;
	for (size_t i = 0; i < 16; i++)
	{
		if (form[i] == 'A' ? !is_letter(c->s[i]) : !is_digit(c->s[i]) && !is_one_of(c->s[i], "LMNPQRSTUV"))
			return false;
	}
	if (!is_one_of(c->s[8], "ABCDEHLMPRST"))
		return false;
	for (size_t i = 0; i < 15; i++)
	{
		int			value = is_digit(c->s[i]) ? c->s[i] - '0' : c->s[i] - 'A';

		sum += i % 2 == 0 ? odd[value] : value;
	}
	return c->s[15] == 'A' + sum % 26;
}

/* Brazil: CPF, two check digits. */
static bool
is_cpf(const Compact *c)
{
	/* eleven equal digits pass, but are none */
	if (c->len != 11 || !c->digits || memcmp(c->s, c->s + 1, 10) == 0)
		return false;
	for (int n = 9; n <= 10; n++)
	{
		int			sum = 0;

		for (int i = 0; i < n; i++)
			sum += (c->s[i] - '0') * (n + 1 - i);
		if (sum * 10 % 11 % 10 != c->s[n] - '0')
			return false;
	}
	return true;
}

/* Germany: Steuer-ID.  One of its first ten digits is there two or three times. */
static bool
is_steuer_id(const Compact *c)
{
	int			counts[10] = {0};
	int			repeated = 0;
	int			product = 10;

	if (c->len != 11 || !c->digits || c->s[0] == '0')
		return false;
	for (int i = 0; i < 10; i++)
		counts[c->s[i] - '0']++;
	for (int i = 0; i < 10; i++)
	{
		if (counts[i] > 3)
			return false;
		repeated += counts[i] > 1;
	}
	if (repeated != 1)
		return false;

	/* ISO 7064 mod 11,10 */
	for (int i = 0; i < 10; i++)
	{
		int			sum = (c->s[i] - '0' + product) % 10;

		product = (sum == 0 ? 10 : sum) * 2 % 11;
	}
	return (11 - product) % 10 == c->s[10] - '0';
}

/* Netherlands: burgerservicenummer. */
static bool
is_bsn(const Compact *c)
{
	return c->len == 9 && c->digits && number(c->s, 9) != 0 &&
		(weighted_sum(c->s, "98765432") - (c->s[8] - '0')) % 11 == 0;
}

/*
 * Secrets
 */

static size_t
span(const char *s, size_t len, const char *more)
{
	size_t		i = 0;

	while (i < len && (is_letter(s[i]) || is_digit(s[i]) || is_one_of(s[i], more)))
		i++;
	return i;
}

/* Two parts of JSON and a signature, in base64url; may be cut. */
static bool
is_jwt(const char *s, size_t len)
{
	size_t		first,
				second;

	if (!starts_with(s, len, "eyJ"))
		return false;
	first = span(s, len, "-_");
	if (first < 16 || first == len || s[first] != '.' || !starts_with(s + first + 1, len - first - 1, "eyJ"))
		return false;
	second = first + 1 + span(s + first + 1, len - first - 1, "-_");
	if (second == len)
		return len >= CELLENC_DETECT_MAX;
	return s[second] == '.' && second + 1 + span(s + second + 1, len - second - 1, "-_") == len;
}

static bool
is_private_key(const char *s, size_t len)
{
	return starts_with(s, len, "-----BEGIN ") && contains(s, len < 64 ? len : 64, "PRIVATE KEY-----");
}

static bool
is_password_hash(const char *s, size_t len)
{
	static const char *const starts[] = {
		"$argon2id$", "$argon2i$", "$argon2d$", "$5$", "$6$", "$7$", "$y$", "$gy$", "$scrypt$",
		"$pbkdf2-sha256$", "$pbkdf2-sha512$", "pbkdf2_sha256$", "pbkdf2_sha512$", "scrypt:",
		"SCRAM-SHA-256$", "{SSHA}", "{SSHA512}"
	};

	if (len == 60 && s[0] == '$' && s[1] == '2' && is_one_of(s[2], "abxy") && s[3] == '$' &&
		all_digits(s + 4, 2) && s[6] == '$')
		return span(s + 7, 53, "./") == 53;
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
	{
		if (starts_with(s, len, starts[i]))
			return len >= strlen(starts[i]) + 20;
	}
	return false;
}

/* Tokens that well-known issuers mark by a prefix. */
static bool
has_token_prefix(const char *s, size_t len)
{
	static const char *const prefixes[] = {
		"sk_live_", "rk_live_", "sk_test_", "ghp_", "gho_", "ghs_", "github_pat_", "glpat-", "xoxb-",
		"xoxp-", "AKIA", "ASIA", "AIza", "npm_", "pypi-", "hvs.", "SG."
	};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
	{
		if (starts_with(s, len, prefixes[i]))
			return len >= 20 && span(s, len, "-_.") == len;
	}
	return false;
}

static bool
is_uuid(const char *s, size_t len)
{
	return len == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-';
}

/* Do two characters of s, taken at random, agree in one case of n at most? */
static bool
is_varied(const char *s, size_t len, size_t n)
{
	size_t		counts[256] = {0};
	size_t		agree = 0;

	for (size_t i = 0; i < len; i++)
		counts[(unsigned char) s[i]]++;
	for (int i = 0; i < 256; i++)
		agree += counts[i] * counts[i];
	return agree * n <= len * len;
}

/*
 * At least 20 characters of hexadecimal or base64 that look random: many
 * different ones, and small and capital letters and digits in no order, as no
 * word, path or name in camel case has them.  UUIDs identify rows.
 */
static bool
is_random(const char *s, size_t len)
{
	size_t		nhex = 0,
				nupper = 0,
				nlower = 0,
				ndigits = 0,
				changes = 0;
	int			class = 0;

	if (len < 20 || is_uuid(s, len))
		return false;
	while (len > 20 && s[len - 1] == '=')
		len--;
	if (span(s, len, "+/-_") != len)
		return false;
	for (size_t i = 0; i < len; i++)
	{
		int			c = is_upper(s[i]) ? 1 : is_lower(s[i]) ? 2 : is_digit(s[i]) ? 3 : 4;

		nupper += c == 1;
		nlower += c == 2;
		ndigits += c == 3;
		nhex += c == 3 || (to_upper(s[i]) >= 'A' && to_upper(s[i]) <= 'F');
		changes += i > 0 && c != class && c != 4 && class != 4;
		class = c;
	}
	if (nhex == len)
		return ndigits > 0 && nupper + nlower > 1 && (nupper == 0 || nlower == 0) && is_varied(s, len, 6);
	return nupper > 1 && nlower > 1 && ndigits > 0 && changes >= len / 3 && is_varied(s, len, 10);
}

CellencKind
cellenc_detect_value(const char *value, size_t len)
{
	Compact		c;

	while (len > 0 && is_one_of(value[0], " \t\r\n"))
		value++, len--;
	while (len > 0 && is_one_of(value[len - 1], " \t\r\n"))
		len--;
	if (len == 0)
		return CELLENC_KIND_NONE;

	if (is_email(value, len))
		return CELLENC_KIND_EMAIL;
	if (is_network_address(value, len))
		return CELLENC_KIND_NETWORK;
	if (is_password_hash(value, len) || is_private_key(value, len))
		return CELLENC_KIND_PASSWORD;
	if (is_jwt(value, len) || has_token_prefix(value, len))
		return CELLENC_KIND_TOKEN;
	if (compact(value, len, &c))
	{
		if (is_iban(&c))
			return CELLENC_KIND_BANK_ACCOUNT;
		if (is_ssn(value, len) || is_nino(&c) || is_nir(&c) || is_dni(&c) || is_pesel(&c) ||
			is_codice_fiscale(&c) || is_cpf(&c) || is_steuer_id(&c) || is_bsn(&c))
			return CELLENC_KIND_NATIONAL_ID;
		if (is_card(&c))
			return CELLENC_KIND_CARD;
	}
	if (is_phone(value, len))
		return CELLENC_KIND_PHONE;
	return is_random(value, len) ? CELLENC_KIND_TOKEN : CELLENC_KIND_NONE;
}

/*
 * Kinds
 */

const char *
cellenc_detect_label(CellencKind kind)
{
	static const char *const labels[CELLENC_NKINDS] = {
		[CELLENC_KIND_NONE] = "nothing known",
		[CELLENC_KIND_EMAIL] = "e-mail addresses",
		[CELLENC_KIND_PHONE] = "phone numbers",
		[CELLENC_KIND_BANK_ACCOUNT] = "bank accounts",
		[CELLENC_KIND_CARD] = "payment cards",
		[CELLENC_KIND_NATIONAL_ID] = "national ids",
		[CELLENC_KIND_TOKEN] = "tokens or secrets",
		[CELLENC_KIND_PASSWORD] = "passwords or private keys",
		[CELLENC_KIND_NETWORK] = "network addresses",
		[CELLENC_KIND_NAME] = "names of people",
		[CELLENC_KIND_ADDRESS] = "postal addresses",
		[CELLENC_KIND_BIRTH] = "dates of birth",
		[CELLENC_KIND_SALARY] = "salaries",
		[CELLENC_KIND_HEALTH] = "health data",
		[CELLENC_KIND_NOTES] = "notes about people",
	};

	return labels[kind];
}

bool
cellenc_detect_is_identifier(CellencKind kind)
{
	return kind >= CELLENC_KIND_EMAIL && kind <= CELLENC_KIND_TOKEN;
}
