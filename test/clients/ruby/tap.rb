# What the clients in Ruby share: checks, and how values are compared.
module Tap
  @number = 0

  def self.check(name, after_failure)
    @number += 1
    yield
    puts "ok #{@number} - #{name}"
  rescue Exception => error
    puts "not ok #{@number} - #{name}"
    lines = error.backtrace.grep(%r{/(run|schema):}).map { |line| line[/:(\d+):/, 1] }.join(', ')
    puts "#{error.class}: #{error.message}\nlines #{lines}".lines.first(30).join.gsub(/^/, '# ')
    after_failure&.call
  end

  def self.plan
    puts "1..#{@number}"
  end

  # Values with their classes, all the way down.
  def self.shape(value)
    case value
    when Array then value.map { |item| shape(item) }
    when Hash then value.to_h { |key, item| [key.to_s, shape(item)] }
    when Float then ['Float', value.nan? ? 'NaN' : value]
    when BigDecimal then ['BigDecimal', value.to_s]
    when Time then ['Time', value.to_r]
    when String then ['String', value.b]
    else [value.class.name, value]
    end
  end
end

# Equal, and of the same classes all the way down.
def same(actual, expected)
  return if Tap.shape(actual) == Tap.shape(expected)

  raise "got #{actual.inspect}, expected #{expected.inspect}"
end
