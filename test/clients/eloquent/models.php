<?php
// The models, as for any database.

use Illuminate\Database\Eloquent\Model;
use Illuminate\Database\Eloquent\Relations\BelongsTo;
use Illuminate\Database\Eloquent\Relations\HasMany;

class Person extends Model
{
    public $timestamps = false;
    protected $table = 'person';
    protected $guarded = [];
    protected $attributes = ['active' => true, 'visits' => 0];
    protected $casts = [
        'level' => 'integer', 'visits' => 'integer', 'points' => 'integer', 'score' => 'float', 'ratio' => 'float',
        'active' => 'boolean', 'born' => 'date:Y-m-d', 'seen' => 'datetime', 'doc' => 'array',
    ];

    public function purchases(): HasMany
    {
        return $this->hasMany(Purchase::class)->orderBy('id');
    }

    public function scopeRegular($query)
    {
        return $query->where('visits', '>=', 10);
    }
}

class Purchase extends Model
{
    public $timestamps = false;
    protected $table = 'purchase';
    protected $guarded = [];
    protected $casts = ['paid' => 'boolean', 'at' => 'datetime'];

    public function person(): BelongsTo
    {
        return $this->belongsTo(Person::class);
    }
}
