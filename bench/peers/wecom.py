"""wechatpy over and over: wecom.py SECONDS. XML of the envelope, signature and decryption of 500 bytes."""
import sys
import time
import xml.etree.ElementTree as ElementTree

from wechatpy.enterprise.crypto import WeChatCrypto

crypto = WeChatCrypto("tok123", "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk", "ww1234567890abcdef")
body = crypto.encrypt_message("m" * 500, "nonce99", "1700000000")
tree = ElementTree.fromstring(body)
signature, timestamp, nonce = (tree.find(tag).text for tag in ("MsgSignature", "TimeStamp", "Nonce"))
began, count = time.perf_counter(), 0
while time.perf_counter() - began < float(sys.argv[1]):
    for _ in range(50):
        assert len(crypto.decrypt_message(body, signature, timestamp, nonce)) == 500
    count += 50
print(round(count / (time.perf_counter() - began)))
