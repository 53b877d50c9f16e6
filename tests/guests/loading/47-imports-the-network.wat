;; attacks = [47]
;; does = "imports sockets beside the contract"
;; refused = "wasi:sockets/tcp@0.2.0"
;; -- whole
(component
  (import "wasi:sockets/tcp@0.2.0" (instance (export "connect" (func)))))
