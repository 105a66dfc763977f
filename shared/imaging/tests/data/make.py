"""Makes the files here, which the image crate cannot write itself. Needs Pillow (13.0.0 was used).

All are one smooth 48x32 gradient, so that a lossy file can be compared with it.
"""
from PIL import Image

rgb = Image.new("RGB", (48, 32))
rgb.putdata([(x * 5, y * 7, 128) for y in range(32) for x in range(48)])
rgb.save("progressive.jpg", quality=95, progressive=True)
rgb.save("restart.jpg", quality=95, restart_marker_blocks=1)
rgb.convert("CMYK").save("cmyk.jpg", quality=95)
rgb.save("lossy.webp", quality=95)
thumbnail = b"Exif\0\0" + b"II*\0\x08\0\0\0\0\0\0\0\0\0" + b"\xff\xd8\xff\xd9"
rgb.save("thumbnail.jpg", quality=95, exif=thumbnail)
