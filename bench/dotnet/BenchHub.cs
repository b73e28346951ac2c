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

/// <summary>The hub of clients in a hundred groups (bench/groups.mjs).</summary>
public sealed class GroupsHub : Hub
{
    private const int Count = 1000;
    private const int Each = 100;
    private static int _joined;

    /// <summary>The number of joins of all connections.</summary>
    public static int Joined => Volatile.Read(ref _joined);

    /// <summary>The group of a message.</summary>
    public static string GroupOf(long number) => $"group-{number * 617 % Count}";

    public override async Task OnConnectedAsync()
    {
        var place = int.Parse(Context.UserIdentifier!["user-".Length..]);
        for (var i = 0; i < Each; i++)
        {
            await Groups.AddToGroupAsync(Context.ConnectionId, $"group-{(place + Count / Each * i) % Count}");
        }
        Interlocked.Add(ref _joined, Each);
    }
}

/// <summary>Takes the user id from the query.</summary>
public sealed class QueryUserIdProvider : IUserIdProvider
{
    public string? GetUserId(HubConnectionContext connection) => connection.GetHttpContext()?.Request.Query["user"];
}
