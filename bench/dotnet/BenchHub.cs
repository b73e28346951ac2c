using Microsoft.AspNetCore.SignalR;

namespace Hubline.Bench;

/// <summary>The payload of all benchmarks (bench/payload.mjs).</summary>
public sealed record Payload(long Seq, string Text)
{
    private const long First = 100_000_000;
    private static readonly string Line =
        "A line of text as long as those that people write to each other when they have the time.".PadRight(101, '.');

    /// <summary>The payload with a number.</summary>
    public static Payload Of(long number) => new(First + number, Line);
}

/// <summary>The hub of anonymous clients.</summary>
public class BenchHub : Hub
{
    public Payload Echo(Payload value) => value;
}

/// <summary>The hub of clients with a user, two groups and an attribute.</summary>
public sealed class MembersHub : Hub
{
    public override async Task OnConnectedAsync()
    {
        Context.Items["role"] = "editor";
        await Groups.AddToGroupAsync(Context.ConnectionId, "lobby");
        await Groups.AddToGroupAsync(Context.ConnectionId, "news");
    }
}

/// <summary>Takes the user id from the query.</summary>
public sealed class QueryUserIdProvider : IUserIdProvider
{
    public string? GetUserId(HubConnectionContext connection) => connection.GetHttpContext()?.Request.Query["user"];
}
