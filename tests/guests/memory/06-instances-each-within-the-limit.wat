;; attacks = [6]
;; does = "has two instances of a module, each with a memory within the limit"
;; refused = "limits.memory"
;; -- whole
(component
  (core module $m (memory 9))
  (core instance (instantiate $m))
  (core instance (instantiate $m)))
