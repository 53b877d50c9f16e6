;; attacks = [47]
;; does = "is a component that exports nothing"
;; refused = "no exported instance"
;; -- whole
(component)
