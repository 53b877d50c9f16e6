;; attacks = [53]
;; does = "calls without a stack"
;; refused = "tail"
;; -- whole
(component
  (core module (func $f (return_call $f))))
