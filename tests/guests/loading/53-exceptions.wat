;; attacks = [53]
;; does = "throws"
;; refused = "exceptions"
;; -- whole
(component
  (core module (tag $t) (func (throw $t))))
