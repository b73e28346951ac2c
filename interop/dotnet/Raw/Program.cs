// Calls one method of a hub without a package of SignalR, and writes each record of the server as a line:
// dotnet Hubline.Interop.Raw.dll WebSockets|ServerSentEvents|LongPolling http://127.0.0.1:5100/testhub
using System.Text.Json;
using Hubline.Interop.Raw;

const string Handshake = """{"protocol":"json","version":1}""";
const string Call = """{"type":1,"invocationId":"1","target":"Echo","arguments":["by hand"]}""";

using var timeout = new CancellationTokenSource(TimeSpan.FromSeconds(15));
var url = args[1];
using var http = new HttpClient();
await using IRawTransport transport = args[0] switch
{
    "WebSockets" => await WebSocketTransport.OpenAsync(await UrlWithTokenAsync(), timeout.Token),
    "ServerSentEvents" => await EventStreamTransport.OpenAsync(http, await UrlWithTokenAsync(), timeout.Token),
    "LongPolling" => await PollingTransport.OpenAsync(http, await UrlWithTokenAsync(), timeout.Token),
    var name => throw new ArgumentException($"There is no transport '{name}'."),
};

var records = new Records(transport);
await transport.SendAsync(Handshake + Records.Separator, timeout.Token);
Console.WriteLine(await records.NextAsync(timeout.Token));
await transport.SendAsync(Call + Records.Separator, timeout.Token);
string record;
do
{
    record = await records.NextAsync(timeout.Token);
}
while (record == """{"type":6}"""); // a ping
Console.WriteLine(record);

// Negotiates, and adds the token of the connection to the URL.
async Task<string> UrlWithTokenAsync()
{
    using var response = await http.PostAsync($"{url}/negotiate?negotiateVersion=1", null, timeout.Token);
    response.EnsureSuccessStatusCode();
    using var negotiation = await JsonDocument.ParseAsync(await response.Content.ReadAsStreamAsync(timeout.Token), default, timeout.Token);
    return $"{url}?id={Uri.EscapeDataString(negotiation.RootElement.GetProperty("connectionToken").GetString()!)}";
}
