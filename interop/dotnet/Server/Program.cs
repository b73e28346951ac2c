// The hubs and routes of the conformance server (packages/testing/src/conformance-server), hosted by ASP.NET Core:
// dotnet Hubline.Interop.Server.dll [--redis localhost:6379]
using System.Collections.Concurrent;
using System.IdentityModel.Tokens.Jwt;
using System.Security.Claims;
using System.Security.Cryptography;
using System.Text.Json;
using Hubline.Interop.Server;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http.Connections;
using Microsoft.AspNetCore.SignalR;
using Microsoft.IdentityModel.Tokens;

var builder = WebApplication.CreateBuilder(args);
builder.WebHost.UseUrls("http://127.0.0.1:0");
builder.Logging.ClearProviders();

var key = new SymmetricSecurityKey(RandomNumberGenerator.GetBytes(32));
builder.Services.AddAuthentication(JwtBearerDefaults.AuthenticationScheme).AddJwtBearer(options =>
{
    options.TokenValidationParameters = new TokenValidationParameters
    {
        IssuerSigningKey = key,
        ValidateAudience = false,
        ValidateIssuer = false,
        LifetimeValidator = (_, expires, _, _) => expires > DateTime.UtcNow,
    };
    options.Events = new JwtBearerEvents
    {
        OnMessageReceived = context =>
        {
            // Browsers cannot set headers of WebSockets and server-sent events.
            if (context.Request.Query["access_token"] is [{ Length: > 0 } token]) context.Token = token;
            return Task.CompletedTask;
        },
    };
});
builder.Services.AddAuthorization();
// Any page may call with its credentials, because the server has no secrets.
builder.Services.AddCors(options => options.AddDefaultPolicy(policy =>
    policy.SetIsOriginAllowed(_ => true).AllowAnyHeader().AllowAnyMethod().AllowCredentials()));
builder.Services.AddSingleton<IUserIdProvider, QueryUserIdProvider>();

var signalR = builder.Services
    .AddSignalR(options =>
    {
        options.EnableDetailedErrors = true;
        options.AddFilter<RefusingFilter>();
    })
    .AddHubOptions<TunedHub>(options =>
    {
        options.KeepAliveInterval = TimeSpan.FromMilliseconds(500);
        options.ClientTimeoutInterval = TimeSpan.FromSeconds(4);
        options.MaximumReceiveMessageSize = 4 * 1024 * 1024;
        options.MaximumParallelInvocationsPerClient = 2;
    })
    .AddJsonProtocol(options => options.PayloadSerializerOptions.PropertyNamingPolicy = null)
    .AddMessagePackProtocol();
if (builder.Configuration["redis"] is { Length: > 0 } redis) signalR.AddStackExchangeRedis(redis);

var app = builder.Build();
const int TokenSeconds = 60;
var redirects = 0;
var negotiations = new ConcurrentDictionary<string, int>();

app.UseCors();
app.Use(async (context, next) =>
{
    if (context.Request.Path.Value!.EndsWith("/negotiate", StringComparison.Ordinal))
    {
        context.Response.Cookies.Append("testCookie", "testValue");
        context.Response.Cookies.Append("testCookie2", "testValue2");
        context.Response.Cookies.Append("expiredCookie", "doesntmatter", new CookieOptions { Expires = DateTimeOffset.UtcNow.AddHours(-1) });
    }
    await next();
});
app.UseAuthentication();
app.UseAuthorization();

app.MapHub<TestHub>("/testhub");
app.MapHub<TestHubWithoutWebSockets>("/testhub-nowebsockets", options =>
    options.Transports = HttpTransportType.ServerSentEvents | HttpTransportType.LongPolling);
app.MapHub<TunedHub>("/tunedhub");
app.MapHub<AuthorizedHub>("/authorizedhub");
app.MapHub<UncreatableHub>("/uncreatable");

string Token(int seconds)
{
    var expires = DateTime.UtcNow.AddSeconds(seconds);
    var claims = new[] { new Claim(ClaimTypes.NameIdentifier, "testuser") };
    var credentials = new SigningCredentials(key, SecurityAlgorithms.HmacSha256);
    return new JwtSecurityTokenHandler().WriteToken(
        new JwtSecurityToken("SignalRTestServer", "SignalRTests", claims, expires: expires, signingCredentials: credentials));
}

app.MapGet("/generateJwtToken", (HttpRequest request) => Token(request.Query.ContainsKey("expired") ? -TokenSeconds : TokenSeconds));

app.MapGet("/clientresult/{connectionId}", async (
    string connectionId, string? method, IHubContext<TestHub, ITestClient> typed, IHubContext<TestHub> untyped, CancellationToken aborted) =>
{
    try
    {
        var result = method is null
            ? await typed.Clients.Client(connectionId).Result()
            : await untyped.Clients.Client(connectionId).InvokeAsync<int?>(method, aborted);
        return result?.ToString() ?? "null";
    }
    catch (HubException error)
    {
        return error.Message;
    }
});

app.MapPost("/redirect/negotiate", (HttpRequest request) =>
    Results.Json(new { url = $"{request.Scheme}://{request.Host}/testhub?numRedirects={Interlocked.Increment(ref redirects)}" }));
app.MapPost("/redirect-with-token/negotiate", (HttpRequest request) =>
    Results.Json(new { url = $"{request.Scheme}://{request.Host}/authorizedhub", accessToken = Token(TokenSeconds) }));
app.MapPost("/unreliable/negotiate", (HttpRequest request, string key, int refusals) =>
{
    // The first negotiation succeeds, the next ones are refused, as many as the query says.
    var before = negotiations.AddOrUpdate(key, 0, (_, last) => last + 1);
    return before > 0 && before <= refusals
        ? Results.StatusCode(StatusCodes.Status503ServiceUnavailable)
        : Results.Json(new { url = $"{request.Scheme}://{request.Host}/testhub" });
});
app.MapPost("/bad-negotiate/negotiate", () => Results.Text("Some response from server", statusCode: 400));

app.MapPost("/control", async (HttpRequest request, IHubContext<TestHub> hub) =>
{
    using var command = await JsonDocument.ParseAsync(request.Body);
    await Control.RunAsync(command.RootElement, hub);
    return Results.Json(new { value = (object?)null });
});

await app.StartAsync();
var url = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();
Console.WriteLine(JsonSerializer.Serialize(new { url }));

// The program that started this one closes its input, also when it is killed.
while (await Console.In.ReadLineAsync() is not null)
{
}
await app.StopAsync();
