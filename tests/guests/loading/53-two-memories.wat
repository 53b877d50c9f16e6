;; attacks = [6, 53]
;; does = "declares two memories, each within the limit"
;; refused = "multi"
;; -- whole
(component
  (core module (memory 1) (memory 1)))
