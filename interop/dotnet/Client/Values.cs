using System.Collections;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Newtonsoft.Json.Linq;

namespace Hubline.Interop.Client;

/// <summary>
/// Values in commands and replies. JSON has no bytes, dates and streams: they are <c>{"$bytes":"…"}</c> in base64,
/// <c>{"$date":"…"}</c> and <c>{"$upload":"…"}</c>. An object of a class is <c>{"$type":"Order","value":{…}}</c>.
/// </summary>
public static class Values
{
    /// <summary>The classes that results and arguments can have, by name.</summary>
    public static readonly IReadOnlyDictionary<string, Type> Types = new[] { typeof(ComplexObject), typeof(Order) }.ToDictionary(type => type.Name);

    public static object? FromJson(JsonElement json, Func<string, ChannelReader<object?>> upload)
    {
        switch (json.ValueKind)
        {
            case JsonValueKind.String:
                return json.GetString();
            case JsonValueKind.Number:
                return json.TryGetInt64(out var whole) ? (object)whole : json.GetDouble();
            case JsonValueKind.True or JsonValueKind.False:
                return json.GetBoolean();
            case JsonValueKind.Array:
                return json.EnumerateArray().Select(item => FromJson(item, upload)).ToArray();
            case JsonValueKind.Object:
                if (json.TryGetProperty("$bytes", out var bytes)) return bytes.GetBytesFromBase64();
                if (json.TryGetProperty("$date", out var date)) return date.GetDateTime().ToUniversalTime();
                if (json.TryGetProperty("$upload", out var id)) return upload(id.GetString()!);
                if (json.TryGetProperty("$type", out var type)) return json.GetProperty("value").Deserialize(Types[type.GetString()!]);
                return json.EnumerateObject().ToDictionary(property => property.Name, property => FromJson(property.Value, upload));
            default:
                return null;
        }
    }

    public static JsonNode? ToJson(object? value) => value switch
    {
        null => null,
        ComplexObject or Order => JsonSerializer.SerializeToNode(value),
        JsonElement element => JsonNode.Parse(element.GetRawText()),
        JToken token => JsonNode.Parse(token.ToString(Newtonsoft.Json.Formatting.None)),
        byte[] bytes => new JsonObject { ["$bytes"] = Convert.ToBase64String(bytes) },
        DateTime date => new JsonObject { ["$date"] = date.ToUniversalTime().ToString("O", CultureInfo.InvariantCulture) },
        string text => text,
        bool truth => truth,
        IDictionary map => new JsonObject(map.Keys.Cast<object>().Select(key => KeyValuePair.Create(key.ToString()!, ToJson(map[key])))),
        IEnumerable items => new JsonArray([.. items.Cast<object?>().Select(ToJson)]),
        _ => JsonValue.Create(Convert.ToDouble(value, CultureInfo.InvariantCulture)),
    };
}
