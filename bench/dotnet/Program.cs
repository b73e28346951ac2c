// The ASP.NET Core server of the benchmarks, with the requests of bench/server.mjs: dotnet Hubline.Bench.dll [<port of Redis>]
using System.Runtime;
using System.Text.Json;
using Hubline.Bench;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.SignalR;

// The raw clients answer no pings and send none, as with the other servers.
var never = TimeSpan.FromMinutes(10);
WebApplication? app = null;
Broadcasts? broadcasts = null;

await new Messages(
    new Dictionary<string, Func<JsonElement, Task<object?>>>
    {
        ["listen"] = async options => await ListenAsync(options.TryGetProperty("port", out var port) ? port.GetInt32() : 0),
        ["cpuUs"] = _ => Task.FromResult<object?>(CpuTime.Us),
        ["memory"] = _ => Task.FromResult<object?>(Memory()),
        ["fanOut"] = async options => await broadcasts!.FanOutAsync(options.Deserialize<FanOut>(JsonSerializerOptions.Web)!),
        ["pace"] = async options => await broadcasts!.PaceAsync(options.Deserialize<Pace>(JsonSerializerOptions.Web)!),
        ["joined"] = _ => Task.FromResult<object?>(GroupsHub.Joined),
        ["close"] = async _ =>
        {
            await app!.StopAsync();
            return null;
        },
    },
    notification => broadcasts?.SetDelivered(notification.GetProperty("delivered").GetInt64())).RunAsync();

async Task<object?> ListenAsync(int port)
{
    var builder = WebApplication.CreateBuilder();
    builder.WebHost.UseUrls($"http://127.0.0.1:{port}");
    builder.Logging.ClearProviders();
    builder.Services.AddSingleton<IUserIdProvider, QueryUserIdProvider>();
    var signalR = builder.Services.AddSignalR(options =>
    {
        options.KeepAliveInterval = never;
        options.ClientTimeoutInterval = never;
    });
    if (args is [var redisPort]) signalR.AddStackExchangeRedis($"127.0.0.1:{redisPort}");
    app = builder.Build();
    app.MapHub<BenchHub>("/bench");
    app.MapHub<MembersHub>("/members");
    app.MapHub<GroupsHub>("/groups");
    await app.StartAsync();
    broadcasts = new Broadcasts(
        app.Services.GetRequiredService<IHubContext<BenchHub>>(),
        app.Services.GetRequiredService<IHubContext<GroupsHub>>());
    var url = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();
    return new { port = new Uri(url).Port, version = $"{Environment.Version}, {(GCSettings.IsServerGC ? "server" : "workstation")} GC" };
}

static object Memory()
{
    for (var i = 0; i < 2; i++)
    {
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        GC.WaitForPendingFinalizers();
    }
    return new { rss = Environment.WorkingSet, heap = GC.GetTotalMemory(forceFullCollection: true) };
}
