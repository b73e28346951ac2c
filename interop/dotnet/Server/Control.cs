using System.Text.Json;
using Microsoft.AspNetCore.SignalR;

namespace Hubline.Interop.Server;

/// <summary>
/// Runs the commands of the conformance server's <c>/control</c> that SignalR has too:
/// <c>{"op":"send","args":[{"all":true},"Message",["hi"]]}</c>, and <c>groups.add</c> and <c>groups.remove</c> with a connection and a group.
/// </summary>
public static class Control
{
    public static Task RunAsync(JsonElement command, IHubContext<TestHub> hub)
    {
        var args = command.GetProperty("args");
        return command.GetProperty("op").GetString() switch
        {
            "send" => TargetOf(args[0], hub.Clients).SendCoreAsync(args[1].GetString()!, [.. args[2].EnumerateArray().Select(ValueOf)]),
            "groups.add" => hub.Groups.AddToGroupAsync(args[0].GetProperty("connection").GetString()!, args[1].GetString()!),
            "groups.remove" => hub.Groups.RemoveFromGroupAsync(args[0].GetProperty("connection").GetString()!, args[1].GetString()!),
            var op => throw new ArgumentException($"There is no operation '{op}'."),
        };
    }

    private static IClientProxy TargetOf(JsonElement filter, IHubClients clients)
    {
        var property = filter.EnumerateObject().Single();
        return property.Name switch
        {
            "all" => clients.All,
            "connection" => clients.Client(property.Value.GetString()!),
            "group" => clients.Group(property.Value.GetString()!),
            "user" => clients.User(property.Value.GetString()!),
            "where" => clients.Group(AttributeGroup(property.Value.EnumerateObject().Single())),
            var name => throw new ArgumentException($"There is no target '{name}'."),
        };
    }

    /// <summary>MessagePack cannot write elements of JSON.</summary>
    private static object? ValueOf(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.String => element.GetString(),
        JsonValueKind.Number => element.TryGetInt64(out var whole) ? (object)whole : element.GetDouble(),
        JsonValueKind.True or JsonValueKind.False => element.GetBoolean(),
        JsonValueKind.Null => null,
        _ => throw new ArgumentException("The arguments are strings, numbers, booleans and null."),
    };

    private static string AttributeGroup(JsonProperty attribute) => TestHub.AttributeGroup(attribute.Name, attribute.Value.ToString());
}
