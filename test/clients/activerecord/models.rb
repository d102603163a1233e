# The models.  ActiveRecord takes the types of attributes from the catalog, by
# the type's name; what is declared here holds for encrypted columns too.
class Person < ActiveRecord::Base
  self.table_name = 'person'
  self.locking_column = 'version'

  attribute :email, :text
  attribute :name, :text
  attribute :note, :text
  attribute :level, :integer, limit: 2
  attribute :visits, :integer, default: 0
  attribute :points, :integer, limit: 8
  attribute :salary, :decimal
  attribute :score, :float
  attribute :ratio, :float
  attribute :active, :boolean, default: true
  attribute :born, :date
  attribute :wakes, :time
  attribute :seen, :datetime
  attribute :local, :datetime
  attribute :ref, :uuid
  attribute :doc, :jsonb
  attribute :photo, :binary
  attribute :address, :inet
  attribute :tags, :text, array: true
  attribute :lucky, :integer, array: true

  has_many :purchases, -> { order(:id) }, dependent: :destroy

  validates :email, uniqueness: true, on: :form
  scope :regular, -> { where(visits: 10..) }
end

class Purchase < ActiveRecord::Base
  self.table_name = 'purchase'

  attribute :title, :text
  attribute :amount, :decimal
  attribute :paid, :boolean, default: false
  attribute :at, :datetime

  belongs_to :person
end
