CREATE TABLE customer (
	id		bigserial	PRIMARY KEY,
	email	enctext('shop', 'equality')	NOT NULL,
	name	enctext('shop', 'order')	NOT NULL,
	visits	encint4('shop', 'order'),
	salary	encnumeric('pay'),
	active	encbool('shop')	NOT NULL,
	born	encdate('shop'),
	seen	enctimestamptz('shop'),
	doc		encjsonb('shop'),
	photo	encbytea('shop'),
	tags	enctext('shop')[]
);
--> statement-breakpoint
CREATE UNIQUE INDEX customer_email_key ON customer (email cellenc.enctext_term_ops);
--> statement-breakpoint
CREATE INDEX customer_name ON customer (name);
