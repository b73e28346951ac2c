namespace Hubline.Interop.Client;

// Classes as a program declares them for its calls.

public sealed class ComplexObject
{
    public byte[]? ByteArray { get; set; }

    public DateTime DateTime { get; set; }

    public Guid Guid { get; set; }

    public int[]? IntArray { get; set; }

    public string? String { get; set; }
}

public sealed class Order
{
    public decimal Price { get; set; }

    public DayOfWeek Day { get; set; }

    public Address? Address { get; set; }

    public string? Note { get; set; }

    public List<string>? Tags { get; set; }
}

public sealed class Address
{
    public string? Street { get; set; }

    public int Number { get; set; }
}
