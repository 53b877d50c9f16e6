;; attacks = [6]
;; does = "has one instance more than it may"
;; limits = { instances = 4 }
;; refused = "limits.instances"
;; -- whole
(component
  (core module $m)
  (core instance (instantiate $m))
  (core instance (instantiate $m))
  (core instance (instantiate $m))
  (core instance (instantiate $m))
  (core instance (instantiate $m)))
