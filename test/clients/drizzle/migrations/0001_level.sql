ALTER TABLE customer ADD COLUMN level encint4('shop') NOT NULL DEFAULT 3;
