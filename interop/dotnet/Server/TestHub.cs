using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Connections.Features;
using Microsoft.AspNetCore.SignalR;

namespace Hubline.Interop.Server;

/// <summary>The hub of the conformance server (packages/testing/src/conformance-server/test-hub.ts), as ASP.NET Core hosts it.</summary>
public class TestHub : Hub<ITestClient>
{
    private const string AttributePrefix = "attr.";

    /// <summary>The group of the connections with an attribute: SignalR has no attributes.</summary>
    public static string AttributeGroup(string name, string value) => $"{AttributePrefix}{name}={value}";

    public override async Task OnConnectedAsync()
    {
        foreach (var (name, value) in Request.Query)
        {
            if (name.StartsWith(AttributePrefix, StringComparison.Ordinal))
            {
                await Groups.AddToGroupAsync(Context.ConnectionId, AttributeGroup(name[AttributePrefix.Length..], value.ToString()));
            }
        }
        await base.OnConnectedAsync();
    }

    public string HelloWorld() => "Hello World!";

    public object? Echo(object? message) => message;

    public Task CallEcho(string message) => Clients.Caller.Echo(message);

    public Task CallHandlerThatDoesntExist() => Clients.Caller.NoClientHandler();

    public Task InvokeWithString(string message) => Clients.Caller.Message(message);

    public Task SendCustomObject(CustomObject customObject) => Clients.Caller.CustomObject(customObject);

    public ComplexObject EchoComplexObject(ComplexObject complexObject) => complexObject;

    public ComplexObject SendComplexObject() => new()
    {
        ByteArray = [1, 2, 3],
        DateTime = new DateTime(2000, 1, 1, 0, 0, 0, DateTimeKind.Utc),
        Guid = new Guid("00010203-0405-0607-0706-050403020100"),
        IntArray = [1, 2, 3],
        String = "hello world",
    };

    public Order EchoOrder(Order order) => order;

    public string LongText(int length) => new('x', length);

    public void Refused()
    {
    }

    public void ThrowException(string message) => throw new InvalidOperationException(message);

    public void ThrowHubException(string message) => throw new HubException(message);

    public UnserializableObject GetUnserializableObject() => new();

    public ChannelReader<string> Stream()
    {
        var channel = Channel.CreateUnbounded<string>();
        foreach (var item in new[] { "a", "b", "c" })
        {
            channel.Writer.TryWrite(item);
        }
        channel.Writer.Complete();
        return channel.Reader;
    }

    public async IAsyncEnumerable<int> StreamNumbers(int count, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        for (var number = 0; number < count; number++)
        {
            yield return number;
            await Task.Delay(20, cancellationToken);
        }
    }

    public async IAsyncEnumerable<int> StreamMany(int count)
    {
        for (var number = 0; number < count; number++)
        {
            yield return number;
        }
        await Task.CompletedTask;
    }

    public async IAsyncEnumerable<int> StreamFails(string message)
    {
        yield return 1;
        await Task.Yield();
        throw new InvalidOperationException(message);
    }

    public ChannelReader<int> EmptyStream()
    {
        var channel = Channel.CreateUnbounded<int>();
        channel.Writer.Complete();
        return channel.Reader;
    }

    public async IAsyncEnumerable<string> InfiniteStream([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var caller = Clients.Caller;
        try
        {
            await Task.Delay(Timeout.Infinite, cancellationToken);
        }
        finally
        {
            await caller.StreamCanceled();
        }
        yield break;
    }

    public ChannelReader<string> StreamThrowException(string message) => throw new InvalidOperationException(message);

    public ChannelReader<int> StreamException() => throw new InvalidOperationException("Error occurred while streaming.");

    public ChannelReader<int>? StreamBroken() => null;

    public async Task<string> StreamingConcat(ChannelReader<string> stream)
    {
        var text = "";
        await foreach (var part in stream.ReadAllAsync())
        {
            text += part;
        }
        return text;
    }

    public ChannelReader<string> StreamEcho(ChannelReader<string> source) => source;

    public ChannelReader<int> StreamEchoInt(ChannelReader<int> source) => source;

    public IAsyncEnumerable<string> StreamIAsyncConsumer(IAsyncEnumerable<string> source) => source;

    public async IAsyncEnumerable<string> StreamEchoUntilCanceled(
        IAsyncEnumerable<string> source, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var caller = Clients.Caller;
        try
        {
            await foreach (var item in source.WithCancellation(cancellationToken))
            {
                yield return item;
            }
        }
        finally
        {
            if (cancellationToken.IsCancellationRequested) await caller.StreamCanceled();
        }
    }

    public async Task<int> CountInOrder(ChannelReader<int> source)
    {
        var count = 0;
        await foreach (var item in source.ReadAllAsync())
        {
            if (item != count++) throw new InvalidOperationException($"Item {count - 1} is {item}.");
        }
        return count;
    }

    public async Task SendMany(int count)
    {
        for (var number = 0; number < count; number++)
        {
            await Clients.Caller.Message($"message {number}");
        }
    }

    public Task<int?> AskCaller() => Clients.Caller.Result();

    public string GetCallerConnectionId() => Context.ConnectionId;

    public string? GetUserIdentifier() => Context.UserIdentifier;

    public int GetNumRedirects() => int.Parse(Request.Query["numRedirects"].FirstOrDefault() ?? "0");

    public string GetActiveTransportName() => Context.Features.Get<IHttpTransportFeature>()!.TransportType.ToString();

    public string? GetHeader(string headerName) => Request.Headers.TryGetValue(headerName, out var value) ? value.ToString() : null;

    public IEnumerable<string?> GetHeaderValues(string[] headerNames) => headerNames.Select(GetHeader);

    public string? GetCookie(string cookieName) => Request.Cookies[cookieName];

    public void Abort() => Context.Abort();

    public void AbortAllowingReconnect() => Context.Features.Get<IConnectionLifetimeNotificationFeature>()!.RequestClose();

    private HttpRequest Request => Context.GetHttpContext()!.Request;
}

/// <summary>The methods that the server calls on its clients.</summary>
public interface ITestClient
{
    Task Echo(string message);

    Task CustomObject(CustomObject customObject);

    Task Message(string message);

    Task NoClientHandler();

    Task<int?> Result();

    Task StreamCanceled();
}

/// <summary>The same hub at a path without WebSockets.</summary>
public sealed class TestHubWithoutWebSockets : TestHub;

/// <summary>The same hub with other time-outs and limits.</summary>
public sealed class TunedHub : TestHub;

[Microsoft.AspNetCore.Authorization.Authorize]
public sealed class AuthorizedHub : Hub
{
    public object? Echo(object? message) => message;
}

/// <summary>A hub that cannot be created: a dependency of its constructor is not registered.</summary>
public sealed class UncreatableHub(IUnavailable unavailable) : Hub
{
    public IUnavailable Unavailable => unavailable;
}

public interface IUnavailable;

public sealed class CustomObject
{
    public string? Name { get; set; }

    public int Value { get; set; }
}

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

/// <summary>An object that no hub protocol can write.</summary>
public sealed class UnserializableObject
{
    public int Value => throw new NotSupportedException("This value cannot be serialized.");
}
