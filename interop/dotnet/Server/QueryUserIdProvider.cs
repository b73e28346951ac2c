using System.Security.Claims;
using Microsoft.AspNetCore.SignalR;

namespace Hubline.Interop.Server;

/// <summary>Takes the user of a connection from its token, or from the query: <c>?user=alice</c>.</summary>
public sealed class QueryUserIdProvider : IUserIdProvider
{
    public string? GetUserId(HubConnectionContext connection) =>
        connection.User.FindFirstValue(ClaimTypes.NameIdentifier) ?? connection.GetHttpContext()!.Request.Query["user"].FirstOrDefault();
}
