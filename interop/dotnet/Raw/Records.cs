namespace Hubline.Interop.Raw;

/// <summary>Splits the text of a transport into records, each of which ends with a separator.</summary>
public sealed class Records(IRawTransport transport)
{
    public const char Separator = '\u001e';

    private string received = "";

    /// <summary>Returns the next record, without its separator.</summary>
    public async Task<string> NextAsync(CancellationToken cancellationToken)
    {
        int end;
        while ((end = received.IndexOf(Separator)) < 0) received += await transport.ReceiveAsync(cancellationToken);
        var record = received[..end];
        received = received[(end + 1)..];
        return record;
    }
}
