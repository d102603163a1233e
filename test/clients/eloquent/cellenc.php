<?php
// What a service provider of a Laravel application does when it boots; after that
// migrations say $table->encrypted('enctext', 'email', 'pii', 'equality').

use Illuminate\Database\Schema\Blueprint;
use Illuminate\Database\Schema\Grammars\PostgresGrammar;

Blueprint::macro('encrypted', function (string $type, string $column, string $key, string $search = 'none') {
    return $this->addColumn('encrypted', $column, ['definition' => "$type('$key','$search')"]);
});
PostgresGrammar::macro('typeEncrypted', fn ($column) => $column->definition);
