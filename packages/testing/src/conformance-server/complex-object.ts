/** What each protocol writes in its own way: bytes and a date in MessagePack, and in JSON the texts that .NET writes for them. */
export class ComplexObject {
  readonly ByteArray = Uint8Array.of(1, 2, 3);
  readonly DateTime = new Date('2000-01-01T00:00:00Z');
  readonly GUID = '00010203-0405-0607-0706-050403020100';
  readonly IntArray = [1, 2, 3];
  readonly String = 'hello world';

  toJSON(): object {
    return {
      ...this,
      ByteArray: Buffer.from(this.ByteArray).toString('base64'),
      DateTime: this.DateTime.toISOString().replace('.000', ''),
    };
  }
}
